import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";
import type { Adapter, Peer } from "../../lib/contract.ts";
import { mapRange } from "./combine.ts";
import { type Enter, rawTasks } from "./tasks.ts";

const storage = new AsyncLocalStorage<object>();

function scenariosWith(enter: Enter): Record<string, Adapter> {
  return { ...rawTasks(enter), "map-range": mapRange(enter) };
}

export const rawAls: Peer = {
  name: "raw-als",
  describe: () => "native promises, each task entered with AsyncLocalStorage.run",
  scenarios: scenariosWith((task) => storage.run({}, task)),
};

function enterStore<T>(this: unknown, store: object, task: () => Promise<T>): Promise<T> {
  storage.enterWith(store);
  return task();
}

export const rawEnter: Peer = {
  name: "raw-enter",
  describe: () => "native promises, each task entered with AsyncResource.runInAsyncScope and enterWith",
  scenarios: scenariosWith(
    (task) => new AsyncResource("task").runInAsyncScope(enterStore<unknown>, null, {}, task) as never,
  ),
};
