import type { Fault } from "./fault.ts";

const channel = "channels/channel.ts";
const broadcast = "channels/broadcast.ts";
const select = "channels/select.ts";
const choice = "core/choice.ts";
const queue = "queues/memory-queue.ts";

export const inChannels: readonly Fault[] = [
  {
    name: "Channel: an item that goes to a receiver goes into the buffer too (double hand-over)",
    file: channel,
    find: "      if (receiver !== undefined) receiver.waits--;\n      return true;",
    replace:
      "      if (receiver !== undefined) receiver.waits--;\n      if (this.capacity > 0) this.#buffer.push(item);\n      return true;",
    program: "channel of 1: hand-over",
  },
  {
    name: "Channel: a place that gets free goes to no sender that waits (lost wake-up)",
    file: channel,
    find: "if (this.#senders.size > 0) this.#buffer.push(this.#takeFromSender());",
    replace: "",
    program: "channel of 1: hand-over",
  },
  {
    name: "Channel: a sender that waits is passed by one that tries",
    file: channel,
    find: "    const item = this.#buffer.shift() as T;\n",
    replace: "    const item = this.#buffer.shift() as T;\n    if (this.capacity > 1) return item;\n",
    program: "channel of 2: filled",
  },
  {
    name: "Channel: closing lets senders wait for ever",
    file: channel,
    find: "    this.#cause = cause;\n    if (this.#senders.size > 0) this.#senders.failAll(this.#whyNotSend(undefined));\n",
    replace: "    this.#cause = cause;\n",
    program: "channel of 1: closed",
  },
  {
    name: "Channel: closing drops what is buffered",
    file: channel,
    find: "if (!this.#ended || this.#buffer.size > 0) return undefined;",
    replace: "if (!this.#ended) return undefined;",
    program: "channel of 1: closed",
  },
  {
    name: "Channel: nobody receives, and what was buffered can be had still",
    file: channel,
    find: "    this.#buffer.clear();\n",
    replace: "",
    also: {
      find: "    if (this.#deaf) return new ClosedError(`Cannot receive",
      replace: "    if (this.#deaf && this.#buffer.size === 0) return new ClosedError(`Cannot receive",
    },
    program: "channel of 1: deaf with an item",
  },
  {
    name: "Channel: the first of several ends to close closes the channel",
    file: channel,
    find: "if (--this.#openSenders === 0) this.close();",
    replace: "if (--this.#openSenders >= 0) this.close();",
    program: "channel of 1 with ends: senders leave",
  },
  {
    name: "Channel: the last of several ends to close does not close the channel",
    file: channel,
    find: "if (--this.#openReceivers === 0) this.closeReceiving();",
    replace: "this.#openReceivers--;",
    program: "channel of 1 with ends: the receiver leaves",
  },
  {
    name: "Channel: an item is received although the call is cut (item lost on cancel)",
    file: channel,
    find: "    return this.#receivers.waitIn(node, receiver);",
    replace:
      "    return (async () => {\n      const item = await this.#receivers.waitIn(node, receiver);\n      await refused();\n      return item;\n    })();",
    program: "channel of 0: hand-over",
  },
  {
    name: "Channel: a send that is cut has sent its item",
    file: channel,
    find: "    return this.#senders.waitIn(node, brought(sender, item));",
    replace:
      "    return this.#senders.waitIn(node, brought(sender, item)).catch((error: unknown) => {\n      if (this.#receivers.size > 0) this.#put(item);\n      else this.#buffer.push(item);\n      throw error;\n    });",
    program: "channel of 1: hand-over",
  },
  {
    name: "Broadcast: a publisher passes those that wait",
    file: broadcast,
    find: "    this.#full--;\n    while (this.#full === 0 && this.#publishers.size > 0) {",
    replace: "    this.#full--;\n    while (this.#full < 0 && this.#publishers.size > 0) {",
    program: "broadcast, wait: held up",
  },
  {
    name: "Broadcast: a subscription that leaves holds up publishers for ever",
    file: broadcast,
    find: "    this.#items.closeReceiving();\n    this.#freed();",
    replace: "    this.#items.closeReceiving();",
    program: "broadcast, wait: leaves at once",
  },
  {
    name: "Broadcast: the newest is dropped",
    file: broadcast,
    find: "      this.#items.tryReceive();\n      this.dropped++;\n      this.#items.trySend(item);",
    replace: "      this.dropped++;",
    program: "broadcast, drop: too slow",
  },
  {
    name: "Broadcast: one too slow loses what it has buffered",
    file: broadcast,
    find: "      this.#broadcast.unsubscribe(this);\n      this.#items.close(new",
    replace:
      "      this.#broadcast.unsubscribe(this);\n      this.#items.closeReceiving();\n      this.#items.close(new",
    program: "broadcast, fail: too slow",
  },
  {
    name: "Broadcast: a publication that is cut goes to some",
    file: broadcast,
    find: "if (this.#full > 0) return this.#publishers.wait(item);",
    replace: "if (this.#full > 0) return (this.#subscribers.last!.give(item), this.#publishers.wait(item));",
    program: "broadcast, mixed: two publish",
  },
  {
    name: "Broadcast: close leaves publishers waiting",
    file: broadcast,
    find: 'if (this.#publishers.size > 0) this.#publishers.failAll(this.#closed("publish to"));',
    replace: "",
    program: "broadcast, mixed: closed",
  },
  {
    name: "select: the places of a select that was served stay in their lines (double hand-over)",
    file: choice,
    find: "    for (const place of places) place.list?.remove(place);",
    replace: "    for (const place of chosen === undefined ? places : [chosen]) place.list?.remove(place);",
    program: "select of 0: one of two",
  },
  {
    name: "select: the places of a select that was cut stay in their lines (lost item)",
    file: choice,
    find: "    leaveAll();\n    wait.onCut = undefined;",
    replace: "    wait.onCut = undefined;",
    program: "select of 0: in time or late",
  },
  {
    name: "select: two cases happen at once",
    file: select,
    find: "    const ready = choices[index]!.poll();",
    replace:
      "    const ready = choices[index]!.poll();\n    if (ready !== undefined && index === 0) choices[1]?.poll();",
    program: "select of 1: room or item",
  },
  {
    name: "select: whoever stands in line is passed over by a poll",
    file: select,
    find: "for (let turn = 0; turn < order.length; turn++) {",
    replace: "for (let turn = 0; turn < order.length - 1; turn++) {",
    program: "select of 0: two meet",
  },
  {
    name: "MemoryQueue: what comes back goes to the end of the line",
    file: queue,
    find: "const lease = new MemoryLease(this.#home, item, attempt, place);",
    replace: "const lease = new MemoryLease(this.#home, item, attempt, place + ++this.#places);",
    program: "queue of 2: comes back",
  },
  {
    name: "MemoryQueue: what comes back is not handed to whoever waits (lost wake-up)",
    file: queue,
    find: "    else if (!this.#handOver(lease)) this.#sorted.push(lease);\n  }\n\n  #drop",
    replace: "    else this.#sorted.push(lease);\n  }\n\n  #drop",
    program: "queue of 1: given back",
  },
  {
    name: "MemoryQueue: given back counts as an attempt",
    file: queue,
    find: "this.#comeBack(lease, lease.attempt, 0);",
    replace: "this.#comeBack(lease, lease.attempt + 1, 0);",
    program: "queue of 1: given back",
  },
  {
    name: "MemoryQueue: tried once more than allowed",
    file: queue,
    find: 'how !== "rejected" && lease.attempt < this.#maxAttempts',
    replace: 'how !== "rejected" && lease.attempt <= this.#maxAttempts',
    program: "queue of 1: tried again",
  },
  {
    name: "MemoryQueue: a take lets no one in who waits to put",
    file: queue,
    find: "    this.#lend(lease, task);\n    this.#admit();",
    replace: "    this.#lend(lease, task);",
    program: "queue of 1: put and take",
  },
  {
    name: "MemoryQueue: join ends while something is on loan",
    file: queue,
    find: "return this.#ready + this.#delayed + this.#leased.size;",
    replace: "return this.#ready + this.#delayed;",
    program: "queue of 1: tried again",
  },
  {
    name: "MemoryQueue: whoever joins is not told (lost wake-up)",
    file: queue,
    find: "if (this.#unfinished === 0) this.#joiners.wakeAll();",
    replace: "if (this.#unfinished === 0 && this.#closed !== false) this.#joiners.wakeAll();",
    program: "queue of 1: tried again",
  },
  {
    name: "MemoryQueue: closed and empty, whoever waits to take waits on",
    file: queue,
    find: "if (this.#over && this.#takers.size > 0) this.#takers.failAll(this.#endOfStream());",
    replace: "",
    program: "queue of 1: closed while somebody takes",
  },
  {
    name: "MemoryQueue: closed now, what is given back can be had still",
    file: queue,
    find: "      this.#dropped++;\n      return;",
    replace: "      this.#dropped++;",
    program: "queue of 1: closed now, given back",
  },
  {
    name: "MemoryQueue: a lease is settled twice",
    file: "queues/memory-lease.ts",
    find: '    if (state === "held") return;',
    replace: '    if (state === "held" || state === "acked") return;',
    program: "queue of 1: settled twice",
  },
];
