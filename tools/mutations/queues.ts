/** Mutations of packages/tasktree/src/queues. */
import type { Mutation } from "./index.ts";

export const ofQueues: readonly Mutation[] = [
  {
    clause: "C3a",
    file: "packages/tasktree/src/queues/memory-queue.ts",
    find: "const refusal = refused(node);\n      if (refusal !== undefined) return refusal;",
    replace: "",
  },
  {
    clause: "C3d",
    file: "packages/tasktree/src/queues/memory-lease.ts",
    find: "this.#home.end(this, how, delay, reason);\n",
    replace:
      "const refusal = refused();\n    if (refusal) return refusal;\n    this.#home.end(this, how, delay, reason);\n",
  },
  {
    clause: "C11c",
    file: "packages/tasktree/src/queues/memory-queue.ts",
    find: "if (node.draining) return passed(finished, node);",
    replace: "",
  },
  {
    clause: "C11c",
    file: "packages/tasktree/src/queues/memory-queue.ts",
    find: "([taking, drainingChoice()])",
    replace: "([taking])",
  },
  {
    clause: "F1a",
    file: "packages/tasktree/src/queues/memory-queue.ts",
    find: "left: () => this.#admit(),",
    replace: "",
  },
  {
    clause: "F1b",
    file: "packages/tasktree/src/queues/memory-queue.ts",
    find: "if (this.#handOver(lease)) this.#admit();\n    else ",
    replace: "",
  },
  {
    clause: "F1c",
    file: "packages/tasktree/src/queues/memory-queue.ts",
    find: "this.#putters.size > 0 || ",
    replace: "",
  },
  {
    clause: "Q1",
    file: "packages/tasktree/src/queues/memory-queue.ts",
    find: "this.#takers.size > 0 || this.#joiners.size > 0",
    replace: "this.#takers.size > 0",
  },
  {
    clause: "Q2",
    file: "packages/tasktree/src/queues/memory-queue.ts",
    find: "else if (!this.#handOver(lease)) this.#sorted.push(lease);",
    replace: "else if (!this.#handOver(lease)) (this.#inOrder ?? this.#sorted).push(lease);",
  },
  {
    clause: "Q3",
    file: "packages/tasktree/src/queues/memory-queue.ts",
    find: "if (this.#over && this.#takers.size > 0) this.#takers.failAll(this.#endOfStream());",
    replace: "",
  },
];
