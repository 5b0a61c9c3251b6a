/** HTTP from the asking side: needs undici, an optional peer. */
export { HttpClient } from "./http-client.ts";
export { HttpResponse, type ResponseHead } from "./http-response.ts";
export type { HttpClientStatistics } from "./lines.ts";
export type {
  BodyLimitOptions,
  CloseOptions,
  HttpBody,
  HttpClientOptions,
  HttpCommonOptions,
  HttpRequestInfo,
  HttpRequestOptions,
  HttpResponseInfo,
  HttpRetryOptions,
  HttpTimeouts,
  QueryValue,
} from "./options.ts";
