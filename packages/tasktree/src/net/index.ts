/** Sockets that belong to the task tree: TCP, TLS, unix and UDP. */
export { connectTcp, connectUnix, type ConnectTcpOptions } from "./connect.ts";
export { listenTcp, listenUnix, type BacklogOptions, type ListenTcpOptions, type ListenUnixOptions } from "./listen.ts";
export {
  serveListener,
  serveTcp,
  serveUnix,
  type ConnectionHandler,
  type ServeOptions,
  type ServeTcpOptions,
  type ServeUnixOptions,
  type StartedOptions,
} from "./serve.ts";
export type { SocketListener, SocketListenerStatistics } from "./socket-listener.ts";
export type { SocketAddresses, SocketStream, TlsFacts } from "./socket-stream.ts";
export {
  connectTls,
  listenTls,
  serveTls,
  startTls,
  type ConnectTlsOptions,
  type HandshakeOptions,
  type ListenTlsOptions,
  type ReadSoFar,
  type ServeTlsOptions,
  type StartTlsOptions,
  type TlsClientOptions,
  type TlsContextOptions,
  type TlsServerOptions,
} from "./tls.ts";
export {
  openUdp,
  type Datagram,
  type OpenUdpOptions,
  type UdpAddress,
  type UdpSocket,
  type UdpStatistics,
} from "./udp.ts";
