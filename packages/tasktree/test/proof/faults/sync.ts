import type { Fault } from "./fault.ts";

const mutex = "sync/mutex.ts";
const semaphore = "sync/semaphore.ts";
const limiter = "sync/capacity-limiter.ts";
const condition = "sync/condition.ts";

export const inSync: readonly Fault[] = [
  {
    name: "Mutex: a released mutex is free for a moment (overtaking)",
    file: mutex,
    find: "    this.#held = next;\n    if (next === undefined) return;\n    this.#waiters.wake(next);",
    replace:
      "    this.#held = undefined;\n    if (next === undefined) return;\n    queueMicrotask(() => {\n      if (this.#held !== undefined || this.#waiters.size === 0) return;\n      this.#held = this.#waiters.first;\n      this.#waiters.wake(this.#held!);\n    });",
    program: "mutex: barging",
  },
  {
    name: "Mutex: the release wakes nobody (lost wake-up)",
    file: mutex,
    find: "const next = this.#waiters.first;",
    replace: "const next = undefined as Hold | undefined;",
    program: "mutex: two take turns",
  },
  {
    name: "Mutex: a release by a guard of before releases what another holds",
    file: mutex,
    find: "if (this.#held !== hold || this.#isBroken()) return;",
    replace: "if (this.#held === undefined || this.#isBroken()) return;",
    program: "mutex: a guard of before",
  },
  {
    name: "Mutex: whoever waits when its owner ends waits for ever",
    file: mutex,
    find: "    this.#watch(held);\n    return this.#waiters.waitIn(node, hold);",
    replace: "    return this.#waiters.waitIn(node, hold);",
    program: "mutex: its owner ends",
  },
  {
    name: "Mutex: the next owner's end is not watched",
    file: mutex,
    find: "    this.#waiters.wake(next);\n    this.#watch(next);",
    replace: "    this.#waiters.wake(next);",
    program: "mutex: the second owner ends",
  },
  {
    name: "Mutex: reset frees a mutex that somebody holds",
    file: mutex,
    find: "if (!this.#isBroken()) return;\n",
    replace: "",
    program: "mutex: broken and mended",
  },
  {
    name: "Semaphore: a permit that comes back while somebody waits is counted as free too (double hand-over)",
    file: semaphore,
    find: "else this.#waiters.wake(this.#give(",
    replace: "else this.#free++, this.#waiters.wake(this.#give(",
    program: "semaphore of one: barging",
  },
  {
    name: "Semaphore: a permit released twice counts twice",
    file: semaphore,
    find: "if (this.list !== undefined) this.#released(this);",
    replace: "this.#released(this);",
    program: "semaphore of one: released twice",
  },
  {
    name: "Semaphore: one that is cancelled after it got a permit keeps it (permit leaked on cancel)",
    file: semaphore,
    find: ": this.#waiters.waitIn(node, task ?? nobody);",
    replace:
      ": (async () => {\n          const permit = await this.#waiters.waitIn(node, task ?? nobody);\n          await refused();\n          return permit;\n        })();",
    program: "semaphore of one: two take turns",
  },
  {
    name: "Semaphore: the last in line is served first",
    file: "core/wait-list.ts",
    find: "    this.#line.push(wait);\n    return wait.promise",
    replace:
      "    const others = [...this.#line];\n    for (const one of others) this.#line.remove(one);\n    for (const one of [wait, ...others]) this.#line.push(one);\n    return wait.promise",
    program: "semaphore of one: three in line",
  },
  {
    name: "Semaphore: a release by no one's hand gives back the newest permit",
    file: semaphore,
    find: "this.#firstOf(currentTask()) ?? this.#held.first;",
    replace: "this.#held.last;",
    program: "semaphore of two: given back by another",
  },
  {
    name: "Semaphore: tryAcquire forgets whose permit it is",
    file: semaphore,
    find: "return this.#free > 0 ? this.#take(currentTask()) : undefined;",
    replace: "return this.#free > 0 ? this.#take(undefined) : undefined;",
    program: "semaphore of two: tried, given back by another",
  },
  {
    name: "Semaphore: more permits than there can be",
    file: semaphore,
    find: "else if (this.#free < this.max) this.#pass();",
    replace: "else if (this.#free <= this.max) this.#pass();",
    program: "semaphore of one: one too many",
  },
  {
    name: "Semaphore: a signal that nobody waits for is not remembered",
    file: semaphore,
    find: "if (next === undefined) this.#free++;",
    replace: "if (next === undefined) this.#free += this.#held.size === 0 && this.max === Infinity ? 0 : 1;",
    program: "semaphore of none: signals",
  },
  {
    name: "CapacityLimiter: one who came while others wait is served before them",
    file: limiter,
    find: "    this.#tokens.delete(token.borrower);\n    unwatchEnd(token);\n    this.#serve();",
    replace:
      "    this.#tokens.delete(token.borrower);\n    unwatchEnd(token);\n    queueMicrotask(() => this.#serve());",
    program: "limiter of one: barging",
  },
  {
    name: "CapacityLimiter: the end of a task gives nothing back",
    file: limiter,
    find: "  taskEnded(): void {\n    this.#limiter.giveBack(this);",
    replace: "  taskEnded(): void {\n    void this.#limiter;",
    program: "limiter of one: a token comes back at the end",
  },
  {
    name: "CapacityLimiter: raised, it serves only one",
    file: limiter,
    find: "while (this.#tokens.size < this.#total) {",
    replace: "if (this.#tokens.size < this.#total) {",
    program: "limiter of none: raised by two, one stays",
  },
  {
    name: "CapacityLimiter: whoever got a token in the meantime gets another",
    file: limiter,
    find: "const problem = this.#problemOf(next);\n      if (problem !== undefined) {",
    replace: "const problem = this.#problemOf(next);\n      if (problem !== undefined && this.#tokens.size > 1) {",
    program: "limiter of none: one name for two",
  },
  {
    name: "CapacityLimiter: one token more than there are",
    file: limiter,
    find: "if (this.#tokens.size >= this.#total) return",
    replace: "if (this.#tokens.size > this.#total) return",
    program: "limiter of one: two take turns",
  },
  {
    name: "Latch: opened for a moment, it lets nobody pass who waits (level-trigger broken)",
    file: "sync/latch.ts",
    find: "    this.#waiters.wakeAll();",
    replace: "    void Promise.resolve().then(() => this.#open && this.#waiters.wakeAll());",
    program: "latch: opened for a moment",
  },
  {
    name: "Latch: it lets one pass and closes (level-trigger broken)",
    file: "sync/latch.ts",
    find: "this.#open ? passed() : this.#waiters.wait()",
    replace: "this.#open ? ((this.#open = false), passed()) : this.#waiters.wait()",
    program: "latch: opened and closed",
  },
  {
    name: "Condition: a notification is lost if its waiter is cut",
    file: condition,
    find: "if (this.#notified.delete(hold) && this.#waiters.size > 0) this.#notifyFirst();",
    replace: "this.#notified.delete(hold);",
    program: "condition: one is told, and cut",
  },
  {
    name: "Condition: whoever is cut passes on a notification that it never had",
    file: condition,
    find: "if (this.#notified.delete(hold) && this.#waiters.size > 0)",
    replace: "if (this.#waiters.size > 0)",
    program: "condition: two wait",
  },
  {
    name: "Condition: the mutex is let go before the waiter stands in line (lost wake-up)",
    file: condition,
    find: "      const waiting = this.#waiters.wait(hold);\n      this.mutex.addLine(this.#waiters);\n      this.mutex.letGo(hold);",
    replace:
      "      this.mutex.letGo(hold);\n      await Promise.resolve();\n      const waiting = this.#waiters.wait(hold);\n      this.mutex.addLine(this.#waiters);",
    program: "condition: notified",
  },
  {
    name: "Condition: whoever is notified goes on without the mutex",
    file: mutex,
    find: "    else line.moveFirst(this.#waiters);",
    replace: "    else line.wake(line.first!);",
    program: "condition: one of two",
  },
  {
    name: "Condition: whoever is cut goes on without the mutex",
    file: condition,
    find: "await shield(() => this.mutex.take(hold), { timeout: Infinity });",
    replace: "void shield(() => this.mutex.take(hold), { timeout: Infinity });",
    program: "condition: notified",
  },
  {
    name: "Condition: one is notified too few",
    file: condition,
    find: "Math.min(n, this.#waiters.size)",
    replace: "Math.min(n, Math.max(this.#waiters.size - 1, 1))",
    program: "condition: all are told",
  },
  {
    name: "Barrier: places are given in the wrong order",
    file: "sync/barrier.ts",
    find: "this.#waiters.wake(next);",
    replace: "this.#waiters.wake(place - 1 - next);",
    program: "barrier of three: three come",
  },
  {
    name: "Barrier: one that was cut still counts",
    file: "sync/barrier.ts",
    find: "const place = this.#waiters.size;",
    replace:
      "const place = this.#most > this.#waiters.size ? this.#most : this.#waiters.size;\n    this.#most = (place + 1) % this.parties;",
    also: { find: "  #broken = false;", replace: "  #broken = false;\n  #most = 0;" },
    program: "barrier of two: two rounds",
  },
  {
    name: "Barrier: reset leaves waiting who waits",
    file: "sync/barrier.ts",
    find: '    this.#broken = false;\n    this.#waiters.failAll(this.#error("was reset"));',
    replace: "    this.#broken = false;",
    program: "barrier of two: reset",
  },
  {
    name: "WaitList: failing those with some payload stops after the first",
    file: "core/wait-list.ts",
    find: "for (const wait of found) wait.fail(thrown);",
    replace: "found[0]!.fail(thrown);",
    program: "channel of 0 with ends: one end waits twice",
  },
];
