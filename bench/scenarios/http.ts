import type { Scenario } from "../lib/contract.ts";

export const CONNECTIONS = 50;
export const ANSWER = "hello";

export const httpScenarios: Scenario[] = [
  {
    name: "http-hello",
    title: `An HTTP server with a trivial handler: ${CONNECTIONS} connections, on each one request after the other`,
    unit: "request",
    operations: 30_000,
    quickOperations: 3000,
    sequential: false,
    fixedSize: true,
    memory: false,
    expected: (n) => n,
    notes: [
      "The server's processor time. What loads it is autocannon for all, in another process, which looks at all answers; it costs more than most servers, so requests per second (one over the wall time) say little.",
      'raw: node:http, (request, response) => response.end("hello"). tasktree: serveHttp(() => reply("hello")), each request a task, its client watched. tasktree-response: the same with new Response("hello"), of which the platform makes a stream.',
      "tasktree-node: withRequestTask around the handler of raw. fastify: its own server, which knows nothing of clients that leave; tasktree-fastify: with taskPerRequest.",
    ],
  },
];
