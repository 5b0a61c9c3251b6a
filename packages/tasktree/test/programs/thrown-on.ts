/**
 * A listener that throws in a scope whose promise nobody awaits, in each kind of scope; then one whose error is thrown in other
 * promises too, and is caught: says how the run has ended.
 */
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

async function tell(main: () => Promise<unknown>): Promise<void> {
  try {
    process.stdout.write(`${String(await run(main))} `);
  } catch (error) {
    process.stdout.write(`${(error as Error).message} `);
  }
}

for (const kind of kinds) {
  await tell(async () => {
    void kind(failing);
    await sleep(50);
    return "lost";
  });
}

for (const kind of kinds) {
  await tell(async () => {
    try {
      await kind(async (scope) => {
        const error = new Error("told twice");
        scope.signal.addEventListener("abort", () => {
          throw error;
        });
        scope.cancel();
        await Promise.resolve();
        void Promise.reject(error);
        throw error;
      });
    } catch {
      await sleep(5);
    }
    return "caught";
  });
}
