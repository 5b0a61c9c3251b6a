/**
 * Ours and another library's store, in every kind of thing that enters a context: says "fine" if each sees both. With the argument
 * "hidden", AsyncResources show nothing of the context that they keep, as on a Node that keeps it elsewhere.
 */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { createRequire, syncBuiltinESMExports } from "node:module";

const hooks = createRequire(import.meta.url)("node:async_hooks") as typeof import("node:async_hooks");
const { AsyncResource } = hooks;

class OpaqueResource {
  static readonly bind = AsyncResource.bind.bind(AsyncResource);
  readonly #resource: InstanceType<typeof AsyncResource>;

  constructor(type: string) {
    this.#resource = new AsyncResource(type);
  }

  runInAsyncScope<R>(fn: (...args: unknown[]) => R, thisArg?: unknown, ...args: unknown[]): R {
    return this.#resource.runInAsyncScope(fn, thisArg, ...args);
  }
}

if (process.argv[2] === "hidden") {
  hooks.AsyncResource = OpaqueResource as unknown as typeof AsyncResource;
  syncBuiltinESMExports();
  assert.deepEqual(Object.getOwnPropertySymbols(new hooks.AsyncResource("test")), []);
}

const { currentTask, run, TaskLocal } = await import("../../src/index.ts");
const { everywhere } = await import("../everywhere.ts");

const trace = new AsyncLocalStorage<string>();
const local = new TaskLocal({ default: "none" });

function look(): unknown[] {
  return [currentTask()?.path.startsWith("main"), local.get(), trace.getStore()];
}

function check(seen: Awaited<ReturnType<typeof everywhere>>, stored: string | undefined): void {
  for (const [where, looks] of Object.entries(seen)) {
    assert.deepEqual(
      looks,
      [0, 1].map(() => [true, "mine", stored]),
      where,
    );
  }
}

await run(async () => {
  await local.run("mine", async () => {
    check(await everywhere(look), undefined);
    check(await trace.run("inside", () => everywhere(look)), "inside");
    check(await everywhere(look), undefined);
  });
});
await trace.run("around", () =>
  run(async () => {
    await local.run("mine", async () => {
      check(await everywhere(look), "around");
      check(await trace.run("inside", () => everywhere(look)), "inside");
    });
  }),
);
console.log("fine");
