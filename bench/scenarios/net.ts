import type { Scenario } from "../lib/contract.ts";

export const CONNECTIONS = 50;
export const REQUEST_BYTES = 1024;

export const netScenarios: Scenario[] = [
  {
    name: "tcp-echo",
    title: `An echo server: ${CONNECTIONS} connections, on each one request of ${REQUEST_BYTES} bytes after the other`,
    unit: "request",
    operations: 50_000,
    quickOperations: 5000,
    sequential: false,
    fixedSize: true,
    memory: false,
    expected: (n) => n,
    notes: [
      "The server's processor time. What loads it is the same plain node:net for all, in another process, and checks all answers; requests per second are one over the wall time, and are its limit too where a server is faster.",
      'raw: node:net, socket.on("data", (chunk) => socket.write(chunk)): it would fill memory for a client that does not read. tasktree: serveTcp, and for each connection: for await (const chunk of connection) await connection.write(chunk). effect: SocketServer of @effect/platform-node-shared, pull and writeAll.',
      "asyncio, uvloop: start_server, await reader.read(65536), writer.write and await writer.drain(). trio: serve_tcp, receive_some and send_all. go: a goroutine for each connection, Read and Write.",
    ],
  },
];
