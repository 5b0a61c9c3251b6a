import type { ServerResponse } from "node:http";
import { once } from "node:events";
import { currentSignal, sleep, sleepForever } from "tasktree";

/** Milliseconds that the slow page takes. */
const slow = 300;

/** Addresses that do not behave: each is a task, so it is cancelled when its client leaves, and needs no timers to clear. */
export const trouble: Record<string, (response: ServerResponse) => void | Promise<void>> = {
  "/trouble/slow": async (response) => {
    await sleep(slow);
    beginPage(response).end("<p>Good things take a while.");
  },

  "/trouble/stuck": () => sleepForever(),

  "/trouble/drip": async (response) => {
    beginPage(response);
    while (true) {
      response.write("<p>drip");
      await sleep(100);
    }
  },

  "/trouble/endless": async (response) => {
    beginPage(response);
    while (true) await write(response, paragraphs(100));
  },

  "/trouble/huge": async (response) => {
    beginPage(response);
    for (let written = 0; written < 3_000_000; written += 100_000) await write(response, paragraphs(100));
    response.end();
  },

  "/trouble/error": (response) => {
    response.writeHead(500, { "content-type": "text/html" }).end("<p>Something broke");
  },

  "/trouble/hang-up": (response) => {
    response.destroy();
  },

  "/trouble/data.json": (response) => {
    response.writeHead(200, { "content-type": "application/json" }).end(`{ "link": "<a href='/not-a-link'>" }`);
  },

  "/trouble/moved-away": redirectTo("/trouble/no-such-place"),

  "/trouble/loop/1": redirectTo("/trouble/loop/2"),
  "/trouble/loop/2": redirectTo("/trouble/loop/3"),
  "/trouble/loop/3": redirectTo("/trouble/loop/1"),

  "/trouble/chain/1": redirectTo("/trouble/chain/2"),
  "/trouble/chain/2": redirectTo("/trouble/chain/3"),
  "/trouble/chain/3": redirectTo("/trouble/chain/4"),
  "/trouble/chain/4": redirectTo("/trouble/chain/5"),
  "/trouble/chain/5": redirectTo("/trouble/chain/6"),
  "/trouble/chain/6": redirectTo("/trouble/chain/7"),
  "/trouble/chain/7": redirectTo("/trouble/chain/8"),
  "/trouble/chain/8": redirectTo("/trouble/notes"),
};

function beginPage(response: ServerResponse): ServerResponse {
  return response.writeHead(200, { "content-type": "text/html" });
}

function redirectTo(location: string) {
  return (response: ServerResponse): void => {
    response.writeHead(302, { location }).end();
  };
}

/** `count` times a thousand bytes. */
function paragraphs(count: number): string {
  return `<p>${"and so on ".repeat(99)}`.padEnd(1000, ".").repeat(count);
}

/** Writes at the reader's pace: waits while the connection is full. */
async function write(response: ServerResponse, text: string): Promise<void> {
  if (!response.write(text)) await once(response, "drain", { signal: currentSignal() });
}
