/** Mutations of packages/tasktree/src/combine. */
import type { Mutation } from "./index.ts";

export const ofCombine: readonly Mutation[] = [
  {
    clause: "B1a",
    file: "packages/tasktree/src/combine/all.ts",
    find: "if (refusal !== undefined) return await refusal;",
    replace: "",
  },
  {
    clause: "B1a",
    file: "packages/tasktree/src/combine/all.ts",
    find: "[key, results[at]]",
    replace: "[key, results[0]]",
  },
  {
    clause: "B1b",
    file: "packages/tasktree/src/combine/race.ts",
    find: 'group.cancel("the race is decided");',
    replace: "",
  },
  {
    clause: "B1c",
    file: "packages/tasktree/src/combine/race.ts",
    find: "if (winner !== undefined) return onLoser?.(value);",
    replace: "if (winner !== undefined) return;",
  },
  {
    clause: "B1d",
    file: "packages/tasktree/src/combine/race.ts",
    find: "racers.forEach((job, at) => {",
    replace: "racers.toReversed().forEach((job, at) => {",
  },
  {
    clause: "B1e",
    file: "packages/tasktree/src/combine/map-concurrent.ts",
    find: "      permit = await slots.acquire();\n    }",
    replace: "    }",
  },
  {
    clause: "B1e",
    file: "packages/tasktree/src/combine/map-concurrent.ts",
    find: "await group[Symbol.asyncDispose]();",
    replace: "void group[Symbol.asyncDispose]();",
  },
];
