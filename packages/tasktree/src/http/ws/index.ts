/** WebSocket: connections that are tasks on the server, and connections to servers. The server needs the package `ws`. */
export { connectWebSocket, type ConnectWebSocketOptions } from "./connect-web-socket.ts";
export type { WebSocketLimits } from "./options.ts";
export {
  serveWebSocket,
  webSocketUpgrade,
  type ServeWebSocketOptions,
  type WebSocketHandler,
  type WebSocketServerOptions,
} from "./serve-web-socket.ts";
export { WebSocketConnection, type WebSocketStatistics } from "./web-socket-connection.ts";
export type { WebSocketMessage } from "./wire.ts";
