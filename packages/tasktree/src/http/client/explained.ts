/** What is told of the errors of undici and of the system. */
import { brief, BrokenError, HttpError, HttpStatusError, LimitExceededError } from "../../errors.ts";
import { proxyStatusOf } from "./undici.ts";

const explanations: Readonly<Record<string, (label: string, cause: unknown) => Error>> = {
  UND_ERR_HEADERS_OVERFLOW: (label, cause) =>
    new LimitExceededError(`Cannot read the answer to ${label}: its headers are more than 16384 bytes`, {
      limit: 16_384,
      cause,
    }),
  UND_ERR_INVALID_ARG: (label, cause) => new TypeError(`Cannot request ${label}: ${messageOf(cause)}`, { cause }),
  UND_ERR_NOT_SUPPORTED: (label, cause) => new TypeError(`Cannot request ${label}: ${messageOf(cause)}`, { cause }),
  UND_ERR_REQ_CONTENT_LENGTH_MISMATCH: (label, cause) =>
    new TypeError(`Cannot request ${label}: the body is not as long as its content-length says`, { cause }),
};

/** What is told of what undici has thrown ; `label` is its method and URL. */
export function explained(error: unknown, label: string): unknown {
  const status = error instanceof Error ? proxyStatusOf(error) : undefined;
  if (status !== undefined) return refusedByProxy(status, label, error);
  if (!(error instanceof Error) || error instanceof HttpError || error.name === "AbortError") return error;
  const explain = explanations[(error as { code?: string }).code ?? ""];
  if (explain !== undefined) return explain(label, error);
  return new BrokenError(`Cannot get an answer to ${label}: ${messageOf(error)}`, { cause: error });
}

function refusedByProxy(status: number, label: string, cause: unknown): HttpStatusError {
  const [method, url] = label.split(" ") as [string, string];
  return new HttpStatusError(`${label} was answered with ${status} by the proxy`, { status, method, url, cause });
}

/** Of a connection that was tried by several addresses, what each has said. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === "") return error.errors.map(messageOf).join("; ");
  return error instanceof Error ? error.message : brief(error);
}
