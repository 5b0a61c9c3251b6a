import v8 from "node:v8";
import { runInNewContext } from "node:vm";
import { runtime } from "./runtime.ts";

const collect = collector();

/** Frees what nobody holds, there and then. */
export function collectGarbage(): void {
  collect();
}

function collector(): () => void {
  if (runtime === "bun") {
    const { Bun } = globalThis as unknown as { Bun: { gc(force: boolean): void } };
    return () => Bun.gc(true);
  }
  v8.setFlagsFromString("--expose-gc");
  // The flag counts for contexts made after it was set.
  return runInNewContext("gc") as () => void;
}
