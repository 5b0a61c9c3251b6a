import { AsyncLocalStorage } from "node:async_hooks";
import type { Peer } from "../lib/contract.ts";
import { rawScenarios } from "./raw.ts";

const storage = new AsyncLocalStorage<object>();

export const rawAls: Peer = {
  name: "raw-als",
  describe: () => "native promises, each task entered with AsyncLocalStorage.run",
  scenarios: rawScenarios((task) => storage.run({}, task)),
};
