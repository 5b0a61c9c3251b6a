/**
 * A server for `tasktree run`: /now is answered at once, /fast soon after the end has begun, /slow never. Says where it listens, how
 * many requests have come, and what became of what was slow.
 */
import { currentScope, sleep, sleepForever } from "tasktree";
import { reply, serveHttp } from "tasktree/http";

let begun = 0;
let cleaned = 0;

async function slow(): Promise<Response> {
  try {
    return await sleepForever();
  } finally {
    await sleep(5);
    cleaned++;
  }
}

export default async function main(): Promise<void> {
  try {
    await serveHttp(
      async (request) => {
        console.log(`begun ${++begun}.`);
        if (request.url.endsWith("/slow")) return slow();
        if (request.url.endsWith("/fast")) {
          await currentScope().waitDraining();
          await sleep(50);
        }
        return reply("done");
      },
      { port: 0, started: ({ port }) => console.log(`port ${port}.`) },
    );
    console.log("drained");
  } finally {
    console.log(`cleaned ${cleaned}`);
  }
}
