/** Runs code that knows nothing of tasktree in each of the ways in which the await hook can meet it. */
import { runtime } from "../runtime.ts";
import { explore, type ExploreOptions } from "../../src/testing/index.ts";
import { installAwaitHook } from "../../src/testing/explore/await-hook.ts";

/**
 * A test body: `program` has to pass by itself, beside an exploration (awaits are seen and let through), and inside of one, in
 * the usual order and in others. Schedules are drawn by lots: to go through them one by one, a program would have to repeat
 * itself exactly, which real I/O does not.
 */
export function everyWay(program: () => Promise<unknown>): () => Promise<void> {
  return async function inEveryWay() {
    await program();
    await beside(program);
    await explore(program, { name: "natural", schedules: 1, strategy: "exhaustive" });
    const drawn: ExploreOptions[] = [{ strategy: "random" }, { strategy: "priorities" }];
    for (const one of drawn) await explore(program, { schedules: 3, ...one });
  };
}

/** The same for a program with real I/O: inside of an exploration only where the runtime tells that some is pending. */
export function everyWayOfIo(program: () => Promise<unknown>): () => Promise<void> {
  if (runtime === "node") return everyWay(program);
  return async function inTwoWays() {
    await program();
    await beside(program);
  };
}

async function beside(program: () => Promise<unknown>): Promise<void> {
  const uninstall = installAwaitHook(() => undefined);
  try {
    await program();
  } finally {
    uninstall();
  }
}
