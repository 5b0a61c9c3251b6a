/** The door to the platform's functions, obeying the scope around. */
export { fetch } from "./fetch.ts";
export { timers } from "./timers.ts";
export { events } from "./events.ts";
export { stream } from "./streams.ts";
export { fs } from "./files.ts";
export { childProcess } from "./processes.ts";
export { dns } from "./names.ts";
export { http, https } from "./requests.ts";
export { net, tls } from "./sockets.ts";
export { WebSocket } from "./web-socket.ts";
export { register, type Registration } from "./install.ts";
