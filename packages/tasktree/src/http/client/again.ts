/** When a request is made again. */
import { BrokenError, HttpStatusError, TimeoutError } from "../../errors.ts";
import { retry, type RetryOptions } from "../../flow/retry.ts";
import type { HttpResponse } from "./http-response.ts";
import type { HttpCommonOptions, HttpRetryOptions } from "./options.ts";
import { parseRetryAfter } from "./retry-after.ts";

/** RFC 9110, section 9.2.2. */
export const idempotent: readonly string[] = ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"];

const worthAnother: readonly number[] = [429, 502, 503, 504];

/** The options; undefined for one attempt. */
export function retryOptionsOf(retries: HttpCommonOptions["retry"]): HttpRetryOptions | undefined {
  if (retries === undefined || retries === false || retries === 1) return undefined;
  return typeof retries === "number" ? { attempts: retries } : retries;
}

/** Whether an attempt of this kind may be made twice, whatever the server has seen of the first. */
export function mayRepeat(method: string, headers: Headers, methods: readonly string[] = idempotent): boolean {
  return methods.includes(method) || headers.has("idempotency-key");
}

/**
 * Makes attempts until one gives an answer that is no reason for another; else gives the last answer, or fails as the last
 * attempt has. `isUnsent` tells of an attempt's error whether the server cannot have seen the request.
 */
export async function again(
  attempt: () => Promise<HttpResponse>,
  repeatable: boolean,
  isUnsent: (error: unknown) => boolean,
  options: HttpRetryOptions,
): Promise<HttpResponse> {
  const { statuses = worthAnother, when, delay, onRetry, max = 30_000 } = options;
  let answer: { readonly response: HttpResponse; readonly error: HttpStatusError } | undefined;
  const policy: RetryOptions = {
    ...options,
    when: async (error, count) => {
      if (!isWorth(error)) return false;
      if (pauseOf(answer?.response) > max) return false;
      return when === undefined || when(error, count);
    },
    delay: (error, count, computed) => delay?.(error, count, computed) ?? Math.max(computed, pauseOf(answer?.response)),
    onRetry: async (about) => {
      await onRetry?.(about);
      await answer?.response.close();
      answer = undefined;
    },
  };
  try {
    return await retry(async () => {
      const response = await attempt();
      if (!statuses.includes(response.status)) return response;
      answer = { response, error: response.statusError() };
      throw answer.error;
    }, policy);
  } catch (error) {
    if (answer === undefined) throw error;
    if (error === answer.error) return answer.response;
    await answer.response.close();
    throw error;
  }

  function isWorth(error: unknown): boolean {
    // One that is not an answer's is a proxy's.
    if (error instanceof HttpStatusError) return repeatable && statuses.includes(error.status);
    return (error instanceof BrokenError || error instanceof TimeoutError) && (repeatable || isUnsent(error));
  }
}

/** How long the server wants to be left alone, in milliseconds. */
function pauseOf(response: HttpResponse | undefined): number {
  return parseRetryAfter(response?.headers.get("retry-after") ?? "") ?? 0;
}
