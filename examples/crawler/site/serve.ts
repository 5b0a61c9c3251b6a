import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { currentSignal, sleepForever, withTaskGroup } from "tasktree";
import { contents, documentAt, ownPage, type Document } from "./documents.ts";
import { style } from "./render.ts";
import { trouble } from "./trouble.ts";

/**
 * Serves the demo site on a free port of this machine until it is cancelled.
 *
 * Started with `group.start(serveSite)`: `started` tells the address when the server listens. Every request is a task,
 * cancelled when its client leaves, and all of them have ended when this function does.
 */
export async function serveSite(started: (address: string) => void): Promise<void> {
  const server = createServer();
  await withTaskGroup(async (requests) => {
    server.on("request", (request, response) => {
      const task = requests.trySpawn(() => answer(request, response), { name: request.url ?? "request" });
      response.once("close", () => task?.cancel());
    });
    try {
      server.listen(0, "127.0.0.1");
      await once(server, "listening", { signal: currentSignal() });
      started(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
      await sleepForever();
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = decodePath(request.url ?? "/");
  const misbehave = trouble[path];
  if (misbehave !== undefined) return await misbehave(response);
  send(response, await find(path));
}

async function find(path: string): Promise<Document | undefined> {
  switch (path) {
    case "/":
      return contents();
    case "/style.css":
      return { type: "text/css", body: style };
    case "/trouble/":
      return await ownPage("trouble");
    case "/trouble/notes":
      return await ownPage("notes");
    default:
      return await documentAt(path);
  }
}

function send(response: ServerResponse, document: Document | undefined): void {
  if (document === undefined) {
    response.writeHead(404, { "content-type": "text/plain" }).end("Not found\n");
  } else if ("redirect" in document) {
    response.writeHead(301, { location: document.redirect }).end();
  } else {
    response.writeHead(200, { "content-type": document.type }).end(document.body);
  }
}

function decodePath(url: string): string {
  const [path = "/"] = url.split("?");
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
