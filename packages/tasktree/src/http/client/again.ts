/** When a request is made again. */
import { BrokenError, HttpStatusError, TimeoutError } from "../../errors.ts";
import { retry, type RetryOptions } from "../../flow/retry.ts";
import type { HttpResponse } from "./http-response.ts";
import type { HttpCommonOptions, HttpRetryOptions } from "./options.ts";

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
      if (!isWorth(error, repeatable, isUnsent)) return false;
      if ((pauseOf(answer?.response) ?? 0) > max) return false;
      return when === undefined || when(error, count);
    },
    delay: (error, count) => delay?.(error, count) ?? pauseOf(answer?.response),
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
}

function isWorth(error: unknown, repeatable: boolean, isUnsent: (error: unknown) => boolean): boolean {
  if (error instanceof HttpStatusError) return repeatable;
  if (!(error instanceof BrokenError || error instanceof TimeoutError)) return false;
  return repeatable || isUnsent(error);
}

/** What `Retry-After` asks for, in milliseconds: seconds, or a time of day (RFC 9110, section 10.2.3). */
function pauseOf(response: HttpResponse | undefined): number | undefined {
  const value = response?.headers.get("retry-after")?.trim() ?? "";
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const time = Date.parse(value);
  return Number.isNaN(time) ? undefined : Math.max(0, time - Date.now());
}
