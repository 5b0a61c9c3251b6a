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
    find: "this.#put(item) ? passed(undefined, node) : this.#senders.wait(brought(sender, item))",
    replace: "(this.#put(item) || this.#buffer.push(item), passed())",
  },
  {
    clause: "C3b",
    file: channel,
    find: "if (this.#receivers.wake(item)) return true;",
    replace: "if (this.#receivers.size > 0) return (queueMicrotask(() => this.#receivers.wake(item)), true);",
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
];
