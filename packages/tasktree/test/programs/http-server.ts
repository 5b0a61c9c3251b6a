/** A server for `tasktree run`: /fast takes 300 ms, /slow for ever. Says where it listens, and what became of what was slow. */
import { sleep, sleepForever } from "tasktree";
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
        await sleep(300);
        return reply("done");
      },
      { port: 0, started: ({ port }) => console.log(`port ${port}.`) },
    );
    console.log("drained");
  } finally {
    console.log(`cleaned ${cleaned}`);
  }
}
