/**
 * Small wrong changes of the source, each against one clause: `npm run mutate:rules` shows that a test named after the
 * clause turns red. `find` must occur exactly once in the file.
 */
export interface Mutation {
  readonly clause: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export const mutations: readonly Mutation[] = [
  {
    clause: "K1a",
    file: "packages/tasktree/src/core/group.ts",
    find: "if (closing !== undefined) await closing;",
    replace: "",
  },
  {
    clause: "K2a",
    file: "packages/tasktree/src/core/task.ts",
    find: "enter(this, call, fn, arg);",
    replace: "void Promise.resolve().then(() => enter(this, call, fn, arg));",
  },
  {
    clause: "K3d",
    file: "packages/tasktree/src/core/group.ts",
    find: "[...this.#services].at(-1)!",
    replace: "[...this.#services].at(0)!",
  },
  {
    clause: "K3e",
    file: "packages/tasktree/src/core/task.ts",
    find: '{ shield: "until cut-off" } as const',
    replace: "{ shield: undefined }",
  },
  {
    clause: "K3f",
    file: "packages/tasktree/src/core/scope.ts",
    find: 'const end = rare.shield === "until cut-off" ? cutoff : clock',
    replace: 'const end = rare.shield === "until cut-off" ? Infinity : clock',
  },
  {
    clause: "K3g",
    file: "packages/tasktree/src/core/group.ts",
    find: 'if (task.status === "failed" && task.mode !== "starting") {',
    replace: 'if (task.status === "failed" && task.mode !== "service") {',
  },
  {
    clause: "K4a",
    file: "packages/tasktree/src/core/task.ts",
    find: "if (joined) this.#wakeJoiners();",
    replace: "if (joined) queueMicrotask(() => this.#wakeJoiners());",
  },
  {
    clause: "K4b",
    file: "packages/tasktree/src/core/group.ts",
    find: 'if (!collect) this.cancelAs("sibling failed", error);',
    replace: "",
  },
  {
    clause: "K4c",
    file: "packages/tasktree/src/errors.ts",
    find: "define(primary, suppressedKey, record.errors, true)",
    replace: "define(primary, suppressedKey, record.errors, false)",
  },
  {
    clause: "K4d",
    file: "packages/tasktree/src/errors.ts",
    find: "if (error === primary || causes(error, primary)) return false;",
    replace: "if (error === primary) return false;",
  },
  {
    clause: "K4e",
    file: "packages/tasktree/src/errors.ts",
    find: "const suppressedLimit = 100;",
    replace: "const suppressedLimit = 1000;",
  },
  {
    clause: "K4f",
    file: "packages/tasktree/src/errors.ts",
    find: "if (Object.isExtensible(primary)) define",
    replace: "define",
  },
  {
    clause: "K4g",
    file: "packages/tasktree/src/core/block.ts",
    find: "if (!isObject(first))",
    replace: "if (first === null)",
  },
  {
    clause: "K5a",
    file: "packages/tasktree/src/core/group.ts",
    find: "this.fail(error, this.#collect)",
    replace: "this.fail(error, false)",
  },
  {
    clause: "K5b",
    file: "packages/tasktree/src/core/group.ts",
    find: "this.fail(failure, false);",
    replace: "this.fail(failure, this.#collect);",
  },
  {
    clause: "K6b",
    file: "packages/tasktree/src/core/task.ts",
    find: "{ cause: this.force?.error }",
    replace: "{}",
  },
  {
    clause: "K6c",
    file: "packages/tasktree/src/core/task.ts",
    find: 'else if (ok) this.settle("ok", value);',
    replace: 'else if (ok && this.own === undefined) this.settle("ok", value);',
  },
  {
    clause: "K7a",
    file: "packages/tasktree/src/core/group.ts",
    find: "if (!this.freshlyCut) return undefined;",
    replace: "return undefined;",
  },
  {
    clause: "K7b",
    file: "packages/tasktree/src/core/group.ts",
    find: "if (!node.isInside(this))",
    replace: "if (node === undefined)",
  },
  {
    clause: "K7d",
    file: "packages/tasktree/src/core/scope.ts",
    find: "force.depth > this.bornTold || this.root",
    replace: "force.depth >= 0 || this.root",
  },
  {
    clause: "K8a",
    file: "packages/tasktree/src/core/task.ts",
    find: "const refusal = refused(node);\n    if (refusal !== undefined) return { promise: refusal };",
    replace: "",
  },
  {
    clause: "K8c",
    file: "packages/tasktree/src/core/task.ts",
    find: "if (node.isInside(this)) return",
    replace: "if (node === undefined) return",
  },
  {
    clause: "K12a",
    file: "packages/tasktree/src/core/group.ts",
    find: "if (this.cutFromOutside) return { thrown: this.force!.error };",
    replace: "",
  },
  {
    clause: "K12b",
    file: "packages/tasktree/src/core/group.ts",
    find: "if (!cut) return undefined;",
    replace: "",
  },
  {
    clause: "K13c",
    file: "packages/tasktree/src/core/group.ts",
    find: "if (cut === undefined) wait.wake(value);",
    replace: "wait.wake(value);",
  },
  {
    clause: "K13d",
    file: "packages/tasktree/src/core/group.ts",
    find: "if (isStarted) throw",
    replace: "if (task === undefined) throw",
  },
  {
    clause: "K14b",
    file: "packages/tasktree/src/core/scope.ts",
    find: 'child.cancelAs("parent", "the scope around it has ended");',
    replace: "",
  },
  {
    clause: "K14d",
    file: "packages/tasktree/src/core/group.ts",
    find: "if (this.failed && !awaited) this.root",
    replace: "if (this.failed && awaited) this.root",
  },
  {
    clause: "K15b",
    file: "packages/tasktree/src/core/group.ts",
    find: "if (!task.observed) this.fail(task.error, true);",
    replace: "void task;",
  },
  {
    clause: "K16",
    file: "packages/tasktree/src/core/task.ts",
    find: "if (wait.payload === asOutcome) wait.wake(this.#outcome());\n      else if",
    replace: "if",
  },
];
