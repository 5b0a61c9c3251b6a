// What loads the HTTP servers of all peers, in a process of its own: `http-load.ts PORT REQUESTS`. autocannon, one request outstanding
// on each connection, which stays open. After some requests that count for nothing it says so, waits for a line, makes the requests,
// and says how many were answered rightly.
import { once } from "node:events";
import { createInterface } from "node:readline";
import autocannon from "autocannon";
import { ANSWER, CONNECTIONS } from "./scenarios/http.ts";

const WARM_UP_REQUESTS = 5000;

async function make(amount: number): Promise<number> {
  const { "2xx": answered, mismatches } = await autocannon({
    url: `http://127.0.0.1:${port}/`,
    connections: CONNECTIONS,
    amount,
    expectBody: ANSWER,
  });
  return answered - mismatches;
}

const [port, requests] = process.argv.slice(2).map(Number);
await make(WARM_UP_REQUESTS);
console.log("ready");
await once(createInterface(process.stdin), "line");
console.log(await make(requests!));
process.exit();
