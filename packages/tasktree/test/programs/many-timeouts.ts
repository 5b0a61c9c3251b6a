/**
 * Many timeouts of an hour, one after the other, none of which is reached; then, with the argument "sleeps", a sleep. Says
 * "done" at its end, and is to end there: neither sooner, nor when an hour is over.
 */
import { failAfter, run, sleep } from "../../src/index.ts";

const hour = 3_600_000;

await run(async () => {
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 200; i++) await failAfter(hour, async () => i);
    if (process.argv[2] === "sleeps") await sleep(5);
  }
});
process.stdout.write("done");
