import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { skipOn } from "../../../test/runtime.ts";
import {
  all,
  Channel,
  currentTask,
  DeadlockError,
  isCancelled,
  Mutex,
  now,
  race,
  run,
  select,
  sleep,
  sleepForever,
  withTaskGroup,
} from "../../index.ts";
import { WaitList } from "../../lowlevel.ts";
import {
  explore,
  failpoint,
  InjectedError,
  LostUpdateError,
  ScheduleError,
  tracked,
  type ExploreOptions,
} from "../index.ts";

/** A value that is loaded once, so it is meant: a slow load that began before `set` overwrites what that has stored. */
class StaleCache {
  #value: string | undefined = undefined;
  readonly #load: () => Promise<string>;

  constructor(load: () => Promise<string>) {
    this.#load = load;
  }

  async get(): Promise<string> {
    if (this.#value === undefined) this.#value = await this.#load();
    return this.#value;
  }

  set(value: string): void {
    this.#value = value;
  }
}

async function found(program: () => unknown, options?: ExploreOptions): Promise<ScheduleError> {
  let error: unknown;
  await explore(program, options).catch((reason: unknown) => (error = reason));
  assert.ok(error instanceof ScheduleError, `no ScheduleError, but ${String(error)}`);
  return error;
}

/** Logs of all schedules of a program, without repetitions. */
async function logs(program: (log: (what: string) => void) => unknown, options?: ExploreOptions): Promise<string[]> {
  const seen = new Set<string>();
  await explore(
    async () => {
      const log: string[] = [];
      await program((what) => log.push(what));
      seen.add(log.join(" "));
    },
    { schedules: 100_000, strategy: "exhaustive", ...options },
  );
  return [...seen].toSorted();
}

async function twoSteps(name: string, log: (what: string) => void): Promise<void> {
  await Promise.resolve();
  log(`${name}1`);
  await Promise.resolve();
  log(`${name}2`);
}

describe("explore", () => {
  it("tries every order of what goes on after awaits, in code that knows nothing of tasktree", async () => {
    const seen = await logs((log) => Promise.all([twoSteps("a", log), twoSteps("b", log)]));
    const orders = ["a1 a2 b1 b2", "a1 b1 a2 b2", "a1 b1 b2 a2", "b1 a1 a2 b2", "b1 a1 b2 a2", "b1 b2 a1 a2"];
    assert.deepEqual(seen, orders);
  });

  it("tries every order of tasks", async () => {
    const seen = await logs((log) => all([() => twoSteps("a", log), () => twoSteps("b", log)]));
    assert.equal(seen.length, 6);
  });

  it("says how many schedules there are, and when these were all", async () => {
    const one = async () => {
      await Promise.resolve();
    };
    const all1 = await explore(() => Promise.all([one(), one()]));
    assert.ok(all1.exhaustive && all1.schedules > 1 && all1.distinct === all1.schedules, JSON.stringify(all1));
    const some = await explore(() => Promise.all([one(), one(), one(), one()]), { schedules: 40 });
    assert.deepEqual([some.exhaustive, some.schedules], [false, 40]);
  });

  it("finds a stale cache, which passes in the usual order", async () => {
    const program = async () => {
      let stored = "old";
      const cache = new StaleCache(async () => {
        const row = stored;
        await Promise.resolve();
        return row;
      });
      const update = async () => {
        await Promise.resolve();
        await Promise.resolve();
        stored = "new";
        cache.set("new");
      };
      await Promise.all([cache.get(), update()]);
      assert.equal(await cache.get(), stored);
    };
    const error = await found(program, { name: "cache" });
    assert.match(error.message, /^'cache' fails in a schedule: AssertionError/);
    assert.ok(error.cause instanceof assert.AssertionError);
    assert.match(error.message, /replay it: TASKTREE_REPLAY='cache@1\./);
  });

  it("replays the schedule that it has printed, and no other program's", async () => {
    let runs = 0;
    const program = async () => {
      runs++;
      const log: string[] = [];
      await Promise.all([twoSteps("a", (what) => log.push(what)), twoSteps("b", (what) => log.push(what))]);
      assert.notEqual(log.join(" "), "b1 a1 b2 a2");
    };
    const first = await found(program, { name: "letters" });
    process.env["TASKTREE_REPLAY"] = first.replay;
    try {
      runs = 0;
      const again = await found(program, { name: "letters" });
      assert.equal(again.replay, first.replay);
      assert.equal(again.interleaving, first.interleaving);
      assert.equal(runs, 2); // once more for the picture
      const other = await explore(() => Promise.all([sleep(1), sleep(1)]), { name: "other" });
      assert.ok(other.schedules > 1);
      process.env["TASKTREE_REPLAY"] = "letters@nonsense!";
      await assert.rejects(explore(program, { name: "letters" }), {
        name: "RangeError",
        message: /Cannot replay TASKTREE_REPLAY="letters@nonsense!"/,
      });
    } finally {
      delete process.env["TASKTREE_REPLAY"];
    }
  });

  it("needs as few choices as possible in what it shows", async () => {
    const program = async () => {
      const log: string[] = [];
      const many = Array.from({ length: 6 }, (_, n) => twoSteps(String(n), (what) => log.push(what)));
      await Promise.all(many);
      assert.ok(log.indexOf("51") > log.indexOf("02"), "5 was before 0");
    };
    const { message } = await found(program, { strategy: "random" });
    const needed = Number(/(\d+) needed/.exec(message)![1]);
    assert.ok(needed <= 3, message);
  });

  it("finds a deadlock of two mutexes, and names the ring", async () => {
    const program = async () => {
      const [a, b] = [new Mutex({ name: "a" }), new Mutex({ name: "b" })];
      const both = (first: Mutex, second: Mutex) => () => first.with(() => second.with(() => undefined));
      await all([both(a, b), both(b, a)]);
    };
    const { cause } = await found(program);
    assert.ok(cause instanceof DeadlockError);
    assert.match(cause.report, /They wait in a ring: 'all\[\d\]' -> 'all\[\d\]' -> 'all\[\d\]'/);
  });

  it("finds that plain promises wait for ever", async () => {
    const { cause } = await found(() => new Promise(() => {}));
    assert.ok(cause instanceof DeadlockError);
  });

  it("finds a lost wake-up", async () => {
    const program = async () => {
      let isReady = false;
      const waiters = new WaitList({ describe: () => "the signal" });
      const wait = async () => {
        if (isReady) return;
        await Promise.resolve(); // between looking and waiting
        await waiters.wait();
      };
      const signal = async () => {
        await Promise.resolve();
        isReady = true;
        waiters.wakeAll();
      };
      await all([wait, signal]);
    };
    assert.ok((await found(program)).cause instanceof DeadlockError);
  });

  it("finds a double spend", async () => {
    const program = async () => {
      const account = { balance: 100 };
      const withdraw = async (sum: number) => {
        if (account.balance < sum) return;
        await Promise.resolve();
        account.balance -= sum;
      };
      await all([() => withdraw(80), () => withdraw(80)]);
      assert.ok(account.balance >= 0);
    };
    assert.ok((await found(program)).cause instanceof assert.AssertionError);
  });

  it("passes what a mutex protects", async () => {
    const { exhaustive } = await explore(
      async () => {
        const mutex = new Mutex();
        let count = 0;
        const add = () =>
          mutex.with(async () => {
            const before = count;
            await Promise.resolve();
            count = before + 1;
          });
        await all([add, add]);
        assert.equal(count, 2);
      },
      { shares: "tracked" },
    );
    assert.ok(exhaustive);
  });

  it("runs in virtual time: hours take no time, and every schedule begins at 0", async () => {
    const starts = new Set<number>();
    const { schedules } = await explore(async () => {
      starts.add(now());
      await all([() => sleep(3_600_000), () => sleep(3_600_000)]);
      assert.equal(now(), 3_600_000);
    });
    assert.deepEqual([...starts], [0]);
    assert.ok(schedules > 1);
  });

  const untold = "does not tell that a file is being read";
  it("waits for real I/O", skipOn({ bun: untold, deno: untold }), async () => {
    await explore(
      async () => {
        assert.ok((await readFile(new URL(import.meta.url), "utf8")).includes("waits for real I/O"));
      },
      { schedules: 3 },
    );
  });

  it("tries which of the ready cases select takes, and gives a program random numbers that repeat", async () => {
    const seen = new Set<string>();
    const numbers = new Set<number>();
    await explore(async () => {
      const [a, b] = [new Channel<string>(1), new Channel<string>(1)];
      await a.send("a");
      await b.send("b");
      numbers.add(Math.random());
      seen.add((await select({ a, b })).key);
    });
    assert.deepEqual([...seen].toSorted(), ["a", "b"]);
    assert.equal(numbers.size, 1);
  });

  it("cancels tasks at any of their waits: finds who keeps what a cancelled wait was given", async () => {
    const program = async () => {
      let free = 1;
      const waiters = new WaitList({ describe: () => "a permit" });
      const work = async () => {
        if (free > 0) free--;
        else await waiters.wait();
        await Promise.resolve();
        await sleep(1); // a cancellation here keeps the permit
        if (!waiters.wake()) free++;
      };
      await withTaskGroup((group) => {
        group.spawn(work);
        group.spawn(work);
      });
      assert.equal(free, 1);
    };
    await explore(program);
    const error = await found(program, { cancellations: 1 });
    assert.match(error.message, /DeadlockError|AssertionError/);
    assert.match(error.interleaving, /work(?:-\d+| \(\d+\)) is cancelled/);
  });

  it("does not count as a failure that an injected cancellation comes out of the program", async () => {
    const { cancellations, schedules } = await explore(() => all([() => sleep(1), () => sleep(2)]), {
      cancellations: 1,
    });
    assert.ok(cancellations > 0 && schedules > cancellations);
  });

  it("cancels only whom it may", async () => {
    const cancelled = new Set<string>();
    const work = async () => {
      try {
        await sleepForever();
      } catch (error) {
        assert.ok(isCancelled(error));
        cancelled.add(currentTask()!.name);
        throw error;
      }
    };
    const program = () =>
      withTaskGroup(async (group) => {
        const tasks = ["a", "b"].map((name) => group.spawn(work, { name, service: true }));
        await sleep(1);
        assert.equal(tasks.length, 2);
      });
    await explore(program, { cancellations: 1, cancels: ({ name }) => name === "b" });
    assert.deepEqual([...cancelled].toSorted(), ["a", "b"]); // "a" by the end of its group
  });

  it("lets failpoints throw, and delays steps", async () => {
    failpoint("nobody explores");
    const seen = new Set<string>();
    await explore(
      async () => {
        try {
          failpoint("disk");
          await Promise.resolve();
          failpoint("net");
          seen.add("none");
        } catch (error) {
          assert.ok(error instanceof InjectedError);
          seen.add(error.message);
        }
      },
      { failures: 1 },
    );
    assert.deepEqual([...seen].toSorted(), ["Injected at failpoint 'disk'", "Injected at failpoint 'net'", "none"]);
    const ends = new Set<string>();
    const late = async () => {
      const soon = async () => {
        await Promise.resolve();
        return "soon";
      };
      const later = () => sleep(5).then(() => "later");
      ends.add(`${await race([later, soon])} at ${now()}`);
    };
    await explore(late, { delays: 1, delayMs: 7 });
    assert.ok(ends.has("soon at 0") && ends.has("later at 7"), String([...ends]));
  });

  it("reports a lost update of what is tracked, though nothing asserts it", async () => {
    const program = async () => {
      const account = tracked({ balance: 0 });
      const deposit = async () => {
        const { balance } = account;
        await Promise.resolve();
        account.balance = balance + 1;
      };
      await all({ ann: deposit, bob: deposit });
    };
    const { cause } = await found(program);
    assert.ok(cause instanceof LostUpdateError);
    assert.match(cause.message, /^Lost update of 'balance': task 'deposit' wrote it at .*explore\.test\.ts:\d+ from/);
  });

  it("names the tasks in its picture, also those that have ended by then", async () => {
    const program = async () => {
      let count = 0;
      const deposit = async () => {
        const before = count;
        await Promise.resolve();
        count = before + 1;
      };
      const withdraw = async () => {
        const before = count;
        await Promise.resolve();
        count = before + 1;
      };
      await all([deposit, withdraw]);
      assert.equal(count, 2);
    };
    const { message } = await found(program);
    // On Bun such functions have no names here.
    assert.match(message, /^(deposit|all\[0\])$/m);
    assert.match(message, /^│ (withdraw|all\[1\])$/m);
  });

  it("refuses a program that does not do the same twice", async () => {
    let runs = 0;
    const program = () => Promise.all(Array.from({ length: 2 + (++runs % 2) }, () => twoSteps("x", () => {})));
    await assert.rejects(explore(program), { name: "InvalidStateError", message: /the program is not deterministic/ });
  });

  it("gives up a schedule that does not come to its end", async () => {
    const program = async () => {
      for (;;) await Promise.resolve();
    };
    const { message } = await found(program, { maxSteps: 50 });
    assert.match(message, /a schedule did not end within 50 steps/);
  });

  it("takes back what it has done to the process, also when it finds something", async () => {
    const { then, constructor: made } = Promise.prototype;
    const drawn = Math.random;
    await explore(() => sleep(1));
    await found(() => Promise.reject(new Error("at once")));
    assert.equal(Promise.prototype.then, then);
    assert.equal(Promise.prototype.constructor, made);
    assert.equal(Math.random, drawn);
    assert.deepEqual(Object.keys(Promise.prototype), []);
  });

  it("keeps what others have put in place of then, and gives promises as they are", async () => {
    const before = Object.getOwnPropertyDescriptor(Promise.prototype, "then")!;
    const set = (descriptor: PropertyDescriptor) => void Reflect.defineProperty(Promise.prototype, "then", descriptor);
    function theirs(this: Promise<unknown>, ...args: []) {
      return (before.value as Promise<unknown>["then"]).apply(this, args);
    }
    set({ ...before, value: theirs });
    try {
      await explore(async () => {
        const promise = sleep(1);
        assert.equal(Promise.resolve(promise), promise);
        await promise;
      });
      assert.equal(Object.getOwnPropertyDescriptor(Promise.prototype, "then")!.value, theirs);
    } finally {
      set(before);
    }
  });

  it("lets every schedule clean up, also those that are redundant or too long, and reports what fails in them", async () => {
    let open = 0;
    const program = (goesOn: () => boolean) => async () => {
      const one = async () => {
        open++;
        try {
          do await sleep(1);
          while (goesOn());
        } finally {
          open--;
        }
      };
      await all([one, one]);
    };
    const { exhaustive } = await explore(
      program(() => false),
      { shares: "tracked" },
    );
    assert.deepEqual([exhaustive, open], [true, 0]);
    await found(
      program(() => true),
      { maxSteps: 60, strategy: "random" },
    );
    assert.equal(open, 0);
  });

  it("passes on what the caller's own functions throw", async () => {
    const cancels = () => {
      throw new TypeError("cancels is broken");
    };
    await assert.rejects(
      explore(() => sleep(1), { cancellations: 1, cancels }),
      /cancels is broken/,
    );
    const nested = () => explore(() => sleep(1), { name: "inner" });
    assert.match((await found(nested)).message, /Cannot explore 'inner' from within a program that is being explored/);
  });

  it("says that a word does not fit, and that a failure does not repeat", async () => {
    process.env["TASKTREE_REPLAY"] = "two@1.9.9.9";
    try {
      const two = () => Promise.all([twoSteps("a", () => {}), twoSteps("b", () => {})]);
      await assert.rejects(explore(two, { name: "two" }), {
        name: "InvalidStateError",
        message: /^Cannot replay 'two'/,
      });
    } finally {
      delete process.env["TASKTREE_REPLAY"];
    }
    let runs = 0;
    const fickle = async () => {
      await Promise.all([twoSteps("a", () => {}), twoSteps("b", () => {})]);
      assert.notEqual(++runs, 5);
    };
    assert.match(
      (await found(fickle, { strategy: "random" })).message,
      /it does not fail again when scheduled the same/,
    );
  });

  it("leaves alone what others await meanwhile", async () => {
    let turns = 0;
    let goesOn = true;
    const others = run(
      async () => {
        while (goesOn) {
          await new Promise((resolve) => setImmediate(resolve));
          turns++;
        }
      },
      { host: false },
    );
    await explore(() => Promise.all([twoSteps("a", () => {}), twoSteps("b", () => {}), sleep(5)]));
    goesOn = false;
    await others;
    assert.ok(turns > 0);
  });

  it("explores one program after the other, and inside a task too", async () => {
    const runs: string[] = [];
    const program = (name: string) => async () => {
      runs.push(name);
      await Promise.all([sleep(1), sleep(1)]);
    };
    await run(() => Promise.all([explore(program("a")), explore(program("b"))]), { host: false });
    assert.ok(runs.lastIndexOf("a") < runs.indexOf("b"));
  });

  it("refuses arguments that make no sense, by name", async () => {
    const refused = (options: object, message: RegExp) => assert.throws(() => explore(() => {}, options), message);
    assert.throws(() => explore(5 as never), /^TypeError: Cannot explore 5: wanted a function$/);
    refused({ strategy: "clever" }, /^TypeError: Cannot explore with strategy "clever": wanted auto, exhaustive/);
    refused({ shares: 1 }, /^TypeError: Cannot explore with shares 1/);
    refused({ schedules: 0 }, /^RangeError: Cannot explore with schedules 0: wanted a whole number from 1$/);
    refused({ seed: -1 }, /^RangeError: Cannot explore with seed -1/);
    refused({ depth: 1.5 }, /^RangeError: Cannot explore with depth 1.5/);
    refused({ cancellations: Number.NaN }, /^RangeError: Cannot explore with cancellations NaN/);
  });
});
