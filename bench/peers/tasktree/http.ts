import { createServer } from "node:http";
import type { HttpListener } from "../../../packages/tasktree/src/http/index.ts";
import type { Adapter, Begin } from "../../lib/contract.ts";
import { httpAdapter, loadHttp } from "../../lib/http-load.ts";
import { loadHttpDoor, loadHttpNode, tasktree } from "../../lib/subject.ts";
import { ANSWER } from "../../scenarios/http.ts";

async function serve(handler: () => Response, n: number, begin: Begin): Promise<number> {
  const { serveHttp } = await loadHttpDoor();
  return await tasktree.run(
    () =>
      tasktree.withTaskGroup(async (group) => {
        const server = (started: (listener: HttpListener) => void) => serveHttp(handler, { port: 0, started });
        const { port } = await group.start<HttpListener>(server, { service: true });
        return await loadHttp(port, n, begin);
      }),
    { host: false },
  );
}

export const http: Record<string, Adapter> = {
  async "http-hello"(n, begin) {
    const { reply } = await loadHttpDoor();
    return await serve(() => reply(ANSWER), n, begin);
  },
};

export const httpResponse: Record<string, Adapter> = {
  "http-hello": (n, begin) => serve(() => new Response(ANSWER), n, begin),
};

export const httpNode: Record<string, Adapter> = {
  "http-hello": httpAdapter(async () => {
    const { withRequestTask } = await loadHttpNode();
    return createServer(withRequestTask((_request, response) => void response.end(ANSWER)));
  }),
};
