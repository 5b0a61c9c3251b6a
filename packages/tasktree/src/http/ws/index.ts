/** WebSocket: connections that are tasks on the server, and connections to servers. The server needs the package `ws`. */
export { connectWebSocket, type ConnectWebSocketOptions } from "./connect-web-socket.ts";
export type { WebSocketLimits, WhenFull } from "./options.ts";
export {
  serveWebSocket,
  webSocketUpgrade,
  type ServeWebSocketOptions,
  type WebSocketUpgrade,
} from "./serve-web-socket.ts";
export type { WebSocketServerOptions } from "./server-options.ts";
export type { WebSocketHandler, WebSocketServerStatistics } from "./visitors.ts";
export { WebSocketConnection, type WebSocketStatistics } from "./web-socket-connection.ts";
export type { WebSocketMessage } from "./wire.ts";
