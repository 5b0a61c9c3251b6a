import { AsyncLocalStorage } from "node:async_hooks";
import type { Peer } from "../../lib/contract.ts";
import { rawTasks } from "./tasks.ts";

const storage = new AsyncLocalStorage<object>();

export const rawAls: Peer = {
  name: "raw-als",
  describe: () => "native promises, each task entered with AsyncLocalStorage.run",
  scenarios: rawTasks((task) => storage.run({}, task)),
};
