import type { Peer } from "../../lib/contract.ts";
import { packageVersion } from "../../lib/version.ts";
import { channels, oneAtATime } from "./channels.ts";
import { combine } from "./combine.ts";
import { net } from "./net.ts";
import { sync } from "./sync.ts";
import { cancel, combinators, generators, tasksAs } from "./tasks.ts";

const version = (): string => `effect ${packageVersion("node_modules/effect")}`;

export const effect: Peer = {
  name: "effect",
  describe: () => `${version()}, tasks of combinators (its fastest form)`,
  scenarios: { ...tasksAs(combinators), cancel, ...sync, ...combine, ...channels, ...net },
};

export const effectGen: Peer = {
  name: "effect-gen",
  describe: () => `${version()}, tasks as Effect.gen (the form its guide prefers)`,
  scenarios: tasksAs(generators),
};

export const effectOne: Peer = {
  name: "effect-one",
  describe: () => `${version()}, take instead of takeAll`,
  scenarios: oneAtATime,
};
