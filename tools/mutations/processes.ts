/** Mutations of packages/tasktree/src/process. */
import type { Mutation } from "./index.ts";

const folder = "packages/tasktree/src/process";

export const ofProcesses: readonly Mutation[] = [
  {
    clause: "P1a",
    file: `${folder}/process-group.ts`,
    find: "this.target = own ? -pid : pid;",
    replace: "this.target = pid;",
  },
  {
    clause: "P1a",
    file: `${folder}/opened-process.ts`,
    find: 'this.#signal("SIGTERM", "SIGCONT");',
    replace: 'this.#signal("SIGTERM");',
  },
  {
    clause: "P1a",
    file: `${folder}/opened-process.ts`,
    find: "if (killAt >= this.#killAt) return;",
    replace: "if (this.#killAt < Infinity) return;",
  },
  {
    clause: "P1a",
    file: `${folder}/opened-process.ts`,
    find: "const dropped = this.#group.over ? [] : sources.map(dropAll);",
    replace: "const dropped: Promise<void>[] = [];\n    for (const source of sources) source.abort();",
  },
  {
    clause: "P1a",
    file: `${folder}/opened-process.ts`,
    find: "(rest > 0 ? this.#killIn(rest) : this.#graceIsOver()), Math.min(ms, longestTimer));",
    replace: "this.#graceIsOver(), ms);",
  },
  {
    clause: "P1a",
    file: `${folder}/opened-process.ts`,
    find: "(rest > 0 ? this.#killIn(rest) : this.#graceIsOver())",
    replace: "this.#graceIsOver()",
  },
  {
    clause: "P1b",
    file: `${folder}/opened-process.ts`,
    find: "      this.#terminate(0);\n      await this.#ended.promise;\n      throw error;",
    replace: "      throw error;",
  },
  {
    clause: "P1b",
    file: `${folder}/opened-process.ts`,
    find: "this.#terminate(graceIsOver() ? 0 : grace);",
    replace: "this.#terminate(grace);",
  },
  {
    clause: "P2a",
    file: `${folder}/opened-process.ts`,
    find: "if (this.#group.leaderEnded()) this.#terminate(this.#grace);",
    replace: "this.#group.leaderEnded();",
  },
  {
    clause: "P2a",
    file: `${folder}/process-group.ts`,
    find: "if (this.target < 0 && hasLiving(-this.target)) {",
    replace: "if (this.target < -Infinity && hasLiving(-this.target)) {",
  },
  {
    clause: "P3a",
    file: `${folder}/watchdog.ts`,
    find: 'running="$running$target ";;',
    replace: ":;;",
  },
  {
    clause: "P3a",
    file: `${folder}/watchdog.ts`,
    find: "  `  find`,\n",
    replace: "",
  },
  {
    clause: "P3a",
    file: `${folder}/watchdog.ts`,
    find: "if (failed < attempts) theDog();",
    replace: "if (failed < 0) theDog();",
  },
  {
    clause: "P3a",
    file: `${folder}/watchdog.ts`,
    find: "trap '' HUP INT PIPE QUIT TERM TSTP",
    replace: "trap '' PIPE",
  },
  {
    clause: "P3b",
    file: `${folder}/opened-process.ts`,
    find: "if (!killedOnForcedExit) onForcedExit(killAll);",
    replace: "",
  },
  {
    clause: "R2b",
    file: "packages/tasktree/src/core/host.ts",
    find: "for (const call of lastCalls) makeLastCall(call);",
    replace: "for (const call of lastCalls) call();",
  },
  {
    clause: "P4a",
    file: `${folder}/run-process.ts`,
    find: "if (check && result.exitCode !== 0) throw",
    replace: "if (check && result.exitCode === 1) throw",
  },
  {
    clause: "P4b",
    file: `${folder}/run-process.ts`,
    find: "if (size > limit) {",
    replace: "if (size > limit + 100_000_000) {",
  },
];
