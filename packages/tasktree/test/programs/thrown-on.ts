/** A listener that throws in a scope whose promise nobody awaits, in each kind of scope: says how the run has ended. */
import { failAfter, moveOnAfter, run, sleep, withCancelScope, type Scope } from "../../src/index.ts";

async function failing(scope: Scope): Promise<void> {
  scope.signal.addEventListener("abort", () => {
    throw new Error("listener");
  });
  scope.cancel();
  await sleep(5);
}

const kinds = [
  withCancelScope,
  (fn: typeof failing) => failAfter(100, fn),
  (fn: typeof failing) => moveOnAfter(100, fn),
];

for (const kind of kinds) {
  try {
    await run(async () => {
      void kind(failing);
      await sleep(50);
    });
    process.stdout.write("fine ");
  } catch (error) {
    process.stdout.write(`${(error as Error).message} `);
  }
}
