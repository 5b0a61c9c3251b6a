/**
 * Loads tasktree where another library's store is in use, and says of what kind the context frame of a task is that was
 * started where none is; with the argument "plainly" it is loaded there too.
 */
import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";

const outside = new AsyncResource("outside");
const load = (): Promise<typeof import("../../src/index.ts")> => import("../../src/index.ts");
const { run } = await (process.argv[2] === "plainly" ? load() : new AsyncLocalStorage<number>().run(1, load));

function frameHere(): void {
  const resource = new AsyncResource("test") as unknown as Record<symbol, object | undefined>;
  const kept = Object.getOwnPropertySymbols(resource).map((symbol) => resource[symbol]);
  const frame = kept.find((value) => typeof value === "object" && "has" in value);
  process.stdout.write(String(frame?.constructor.name));
}

await outside.runInAsyncScope(() => run(frameHere));
