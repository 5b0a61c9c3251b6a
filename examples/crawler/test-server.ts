import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";

type Handler = (request: IncomingMessage, response: ServerResponse) => unknown;

/** Runs a server on a free port of this machine until the test ends, and gives its address. */
export async function serveFor(test: TestContext, handler: Handler): Promise<string> {
  const server = createServer((request, response) => void handler(request, response)).listen(0, "127.0.0.1");
  test.after(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

/** Answers with these pages, each the HTML for one path, and 404 for everything else. */
export function pages(htmlByPath: Record<string, string>): Handler {
  return (request, response) => {
    const html = htmlByPath[request.url ?? ""];
    response.writeHead(html === undefined ? 404 : 200, { "content-type": "text/html" }).end(html);
  };
}
