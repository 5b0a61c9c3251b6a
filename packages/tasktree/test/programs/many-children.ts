/** A million short children of one group: exits with 1 if what they leave behind grows. */
import { run, withTaskGroup } from "../../src/index.ts";
import { collectGarbage } from "../collect-garbage.ts";

const batches = 100;
const inBatch = 10_000;
/** Far below a byte for each child. */
const mayGrow = 500_000;

await run(() =>
  withTaskGroup(async (group) => {
    let early = 0;
    for (let batch = 0; batch < batches; batch++) {
      for (let i = 0; i < inBatch; i++) group.spawn(() => Promise.resolve());
      await new Promise((resolve) => setImmediate(resolve));
      if (batch !== 10) continue;
      collectGarbage();
      early = process.memoryUsage().heapUsed;
    }
    collectGarbage();
    const grown = process.memoryUsage().heapUsed - early;
    console.log(grown < mayGrow ? "flat" : `grown by ${grown} bytes`);
    process.exitCode = grown < mayGrow ? 0 : 1;
  }),
);
