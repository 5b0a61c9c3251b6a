/** HTTP: a server whose requests are tasks. */
export type { RequestFacts } from "./server/exchange.ts";
export type { HttpListener, HttpStatistics } from "./server/host.ts";
export type { HttpHandler, ServeHttpOptions, UpgradeHandler } from "./server/options.ts";
export { serveHttp } from "./server/serve-http.ts";
export { reply, replyJson, type ReplyInit } from "./server/reply.ts";
export { sse, type ServerSentEvent, type SseOptions } from "./sse.ts";
