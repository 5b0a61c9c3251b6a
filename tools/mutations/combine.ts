/** Mutations of packages/tasktree/src/combine. */
import type { Mutation } from "./index.ts";

export const ofCombine: readonly Mutation[] = [
  {
    clause: "B1a",
    file: "packages/tasktree/src/combine/functions.ts",
    find: "[key, results[at]!]",
    replace: "[key, results[0]!]",
  },
  {
    clause: "B1a",
    file: "packages/tasktree/src/combine/all.ts",
    find: "gaveNoValue(group);",
    replace: "",
  },
  {
    clause: "B1a",
    file: "packages/tasktree/src/combine/feed.ts",
    find: "      if (room.full) await room.wait();\n    }\n  } else {",
    replace: "    }\n  } else {",
  },
  {
    clause: "B1a",
    file: "packages/tasktree/src/combine/feed.ts",
    find: "      if (room.full) await room.wait();\n    }\n  }\n}",
    replace: "    }\n  }\n}",
  },
  {
    clause: "B1b",
    file: "packages/tasktree/src/combine/contest.ts",
    find: "watchEnd(currentTask()!, winner);",
    replace: "",
  },
  {
    clause: "B1c",
    file: "packages/tasktree/src/combine/contest.ts",
    find: "if (winner !== undefined) return lost?.(value);",
    replace: "if (winner !== undefined) return;",
  },
  {
    clause: "B1c",
    file: "packages/tasktree/src/combine/contest.ts",
    find: "if (winner !== undefined && !wasCut()) return;",
    replace: "if (winner !== undefined) return;",
  },
  {
    clause: "B1d",
    file: "packages/tasktree/src/combine/contest.ts",
    find: "if (winner !== undefined && !wasCut()) return;",
    replace: "",
  },
  {
    clause: "B1d",
    file: "packages/tasktree/src/combine/race.ts",
    find: "racers.forEach((job, at) =>",
    replace: "racers.toReversed().forEach((job, at) =>",
  },
  {
    clause: "B1e",
    file: "packages/tasktree/src/combine/map-concurrent.ts",
    find: "if (this.#ordered) this.#entries.push(entry);",
    replace: "this.#entries.push(entry);",
  },
  {
    clause: "B1e",
    file: "packages/tasktree/src/combine/results.ts",
    find: "if (begun) await this.#work.end();",
    replace: "if (begun) void this.#work.end();",
  },
  {
    clause: "B1e",
    file: "packages/tasktree/src/combine/map-concurrent.ts",
    find: "this.#inContext(() => {\n      this.#group",
    replace: "[0].forEach(() => {\n      this.#group",
  },
  {
    clause: "B1f",
    file: "packages/tasktree/src/combine/children.ts",
    find: "group.attempt(wrapped(job)",
    replace: "group.spawn(wrapped(job)",
  },
  {
    clause: "B1f",
    file: "packages/tasktree/src/combine/children.ts",
    find: "  await Promise.all(told);",
    replace: "",
  },
  {
    clause: "B1f",
    file: "packages/tasktree/src/combine/all-settled.ts",
    find: 'outcome.status === "ok"',
    replace: 'outcome.status !== "failed"',
  },
  {
    clause: "B1f",
    file: "packages/tasktree/src/combine/any.ts",
    find: "list, limit, entrant)",
    replace: "list, Infinity, entrant)",
  },
  {
    clause: "B1f",
    file: "packages/tasktree/src/combine/contest.ts",
    find: "watchEnd(currentTask()!, winner);",
    replace: 'group.cancel("it is decided");',
  },
  {
    clause: "B1g",
    file: "packages/tasktree/src/combine/as-completed.ts",
    find: "(job) => job(), limit, false, taskName)",
    replace: "(job) => job(), limit, true, taskName)",
  },
  {
    clause: "B1g",
    file: "packages/tasktree/src/combine/as-completed.ts",
    find: "[key, await job()]",
    replace: "await job()",
  },
  {
    clause: "B1g",
    file: "packages/tasktree/src/combine/results.ts",
    find: "this.#refusal = refused();",
    replace: "this.#refusal = undefined;",
  },
  {
    clause: "B1a",
    file: "packages/tasktree/src/core/scope.ts",
    find: "(this.#flags & handedOut) === 0 &&",
    replace: "",
  },
  {
    clause: "B1a",
    file: "packages/tasktree/src/core/scope.ts",
    find: "      this.children?.first === undefined &&\n",
    replace: "",
  },
  {
    clause: "B1e",
    file: "packages/tasktree/src/core/task.ts",
    find: "if (this.root.instruments !== undefined || this.root.debug) return false;",
    replace: "",
  },
  {
    clause: "X1a",
    file: "packages/tasktree/src/combine/slots.ts",
    find: "await inContext(this.#call, item, index)",
    replace: "await this.#call(item, index)",
  },
];
