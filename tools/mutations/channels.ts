/** Mutations of packages/tasktree/src/channels. */
import type { Mutation } from "./index.ts";

const channel = "packages/tasktree/src/channels/channel.ts";
const broadcast = "packages/tasktree/src/channels/broadcast.ts";
const select = "packages/tasktree/src/channels/select.ts";

export const ofChannels: readonly Mutation[] = [
  {
    clause: "C3a",
    file: channel,
    find: "const refusal = refused(node);",
    replace: "const refusal = undefined;",
  },
  {
    clause: "C3a",
    file: channel,
    find: "if (this.#put(item)) return passed(undefined, node);",
    replace: "if (this.#put(item) || (this.#buffer.push(item), true)) return passed(undefined, node);",
  },
  {
    clause: "C3b",
    file: channel,
    find: "    const receiver = this.#receivers.first as ReceivingEnd<T> | undefined;\n",
    replace:
      "    const receiver = this.#receivers.first as ReceivingEnd<T> | undefined;\n    if (this.#receivers.size > 0) return (queueMicrotask(() => this.#receivers.wake(item)), true);\n",
  },
  {
    clause: "C2b",
    file: channel,
    find: "const refusal = refusedIntake(node);",
    replace: "const refusal = refused(node);",
  },
  {
    clause: "F1a",
    file: channel,
    find: "this.#buffer.shift() as T",
    replace: "this.#buffer.pop() as T",
  },
  {
    clause: "F1b",
    file: channel,
    find: "if (this.#senders.size > 0) this.#buffer.push(this.#takeFromSender());",
    replace: "if (this.#senders.size > 0) queueMicrotask(() => this.#buffer.push(this.#takeFromSender()));",
  },
  {
    clause: "F1c",
    file: channel,
    find: "if (this.#buffer.size >= this.capacity) return false;",
    replace: "if (this.#buffer.size > this.capacity) return false;",
  },
  {
    clause: "H1",
    file: channel,
    find: "this.#whyNotReceive(receiver) === undefined ? this.#takeMany([item], max) : [item],",
    replace: "this.#takeMany([item], max),",
  },
  {
    clause: "F1a",
    file: channel,
    find: "while (items.length < max && this.#hasItem)",
    replace: "for (let more = this.#buffer.size; more > 0 && items.length < max; more--)",
  },
  {
    clause: "C3a",
    file: broadcast,
    find: "if (this.#full > 0) return this.#publishers.wait(item);",
    replace: "if (this.#full > 0) return (this.#give(item), this.#publishers.wait(item));",
  },
  {
    clause: "C3b",
    file: broadcast,
    find: "this.#publishers.wake();",
    replace: "queueMicrotask(() => this.#publishers.wake());",
  },
  {
    clause: "C2b",
    file: broadcast,
    find: "...this.#items.choice(),",
    replace: "...this.#items.choice(), intake: false,",
  },
  {
    clause: "F1b",
    file: broadcast,
    find: "while (this.#full === 0 && this.#publishers.size > 0) {",
    replace: "if (this.#full < 0) {",
  },
  {
    clause: "F1c",
    file: broadcast,
    find: "if (this.#full > 0) return false;",
    replace: "",
  },
  {
    clause: "C3a",
    file: select,
    find: "if (refusal !== undefined) return await refusal;",
    replace: "",
  },
  {
    clause: "C3b",
    file: select,
    find: "return ready === undefined ? selected(lines, await firstToCome(lines)) : passed(ready);",
    replace: "return ready === undefined ? (await firstToCome(lines), await refused(), passed()) : passed(ready);",
  },
  {
    clause: "C2b",
    file: select,
    find: "? refusedIntake() : refused()",
    replace: "? refused() : refused()",
  },
  {
    clause: "H1",
    file: "packages/tasktree/src/channels/channel.ts",
    find: "if (sender.waits > 0) {",
    replace: "if (sender.waits >= 0) {",
  },
  {
    clause: "H2",
    file: "packages/tasktree/src/channels/select.ts",
    find: "if (!ordered) swap(order, turn, turn + draw(order.length - turn));",
    replace: "if (!ordered && turn === 0) order.push(...order.splice(0, draw(order.length)));",
  },
  {
    clause: "H3",
    file: "packages/tasktree/src/channels/broadcast.ts",
    find: "this.#broadcast.unsubscribe(this);\n      this.#items.close(",
    replace: "this.#items.close(",
  },
];
