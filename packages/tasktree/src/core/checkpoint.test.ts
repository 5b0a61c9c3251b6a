/** What checkpoints do in a cancelled scope: rules C2b (intake) and C2k (code that swallows). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  checkpoint,
  failAfter,
  isCancelled,
  moveOnAfter,
  now,
  run,
  shield,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
  type Scope,
} from "../index.ts";
import { passed, refusedIntake, WaitList } from "../lowlevel.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

/** An inbox as an outsider would write it. */
class Inbox {
  readonly items: string[];
  readonly waiters: WaitList<string> = new WaitList({ describe: () => "inbox" });

  constructor(...items: string[]) {
    this.items = items;
  }

  put(item: string): void {
    if (!this.waiters.wake(item)) this.items.push(item);
  }

  receive(): Promise<string> {
    const refusal = refusedIntake();
    if (refusal !== undefined) return refusal;
    const item = this.items.shift();
    return item === undefined ? this.waiters.wait() : passed(item);
  }
}

/** A promise that has settled, and how: the error's or "passed". */
async function outcome(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "passed",
    (error: unknown) => (isCancelled(error) ? "cut" : `failed: ${String(error)}`),
  );
}

test("C2b intake works where nothing is cancelled, and its wait is cut as any other", () =>
  virtually(async () => {
    const inbox = new Inbox("one");
    assert.equal(await inbox.receive(), "one");
    assert.equal(await moveOnAfter(5, () => inbox.receive()), undefined);
    assert.equal(inbox.waiters.size, 0);
    inbox.put("two");
    assert.equal(await inbox.receive(), "two");
  }));

test("C2b in a told node intake throws at every call, while cleanup goes on", () =>
  virtually(async () => {
    const inbox = new Inbox("one", "two", "three");
    await withCancelScope(async (scope) => {
      scope.cancel();
      const error = await rejection(checkpoint());
      for (let i = 0; i < 3; i++) {
        assert.equal(await rejection(inbox.receive()), error);
        await checkpoint();
        await sleep(1);
      }
    });
    assert.deepEqual(inbox.items, ["one", "two", "three"]);
  }));

test("C2b intake tells the node as any checkpoint does", () =>
  virtually(async () => {
    const inbox = new Inbox("one");
    await withCancelScope(async (scope) => {
      scope.cancel();
      assert.equal(await outcome(inbox.receive()), "cut");
      assert.equal(await outcome(checkpoint()), "passed");
      assert.equal(await outcome(inbox.receive()), "cut");
    });
    assert.deepEqual(inbox.items, ["one"]);
  }));

test("C2b a cut wait for intake takes nothing, and the item goes to the next", () =>
  virtually(async () => {
    const inbox = new Inbox();
    const got: string[] = [];
    await withTaskGroup(async (group) => {
      const first = group.spawn(async () => got.push(`first ${await inbox.receive()}`));
      group.spawn(async () => got.push(`second ${await inbox.receive()}`));
      await waitAllTasksBlocked();
      first.cancel();
      inbox.put("item");
    });
    assert.deepEqual(got, ["second item"]);
  }));

test("C2b shielded, or in a scope opened while unwinding, intake works", () =>
  virtually(async () => {
    const inbox = new Inbox("a", "b", "c", "d");
    const got: unknown[] = [];
    await withCancelScope(async (scope) => {
      scope.cancel();
      try {
        await checkpoint();
      } finally {
        got.push(await shield(() => inbox.receive(), { timeout: 100 }));
        got.push(await withCancelScope(() => inbox.receive()));
        got.push(await moveOnAfter(10, () => inbox.receive()));
        await withTaskGroup(async (group) => {
          group.spawn(async () => got.push(await inbox.receive()));
        });
      }
    });
    assert.deepEqual(got, ["a", "b", "c", "d"]);
  }));

test("C2b a scope opened while unwinding takes nothing more once it has been cancelled itself", () =>
  virtually(async () => {
    const inbox = new Inbox("a", "b");
    const log: string[] = [];
    await withCancelScope(async (outer) => {
      outer.cancel();
      await rejection(checkpoint());
      await rejection(
        withCancelScope(async (inner) => {
          log.push(await outcome(inbox.receive()));
          inner.cancel();
          log.push(await outcome(checkpoint()));
          log.push(await outcome(checkpoint()));
          log.push(await outcome(inbox.receive()), await outcome(inbox.receive()));
          throw outer.signal.reason;
        }),
      );
    });
    assert.deepEqual(log, ["passed", "cut", "passed", "cut", "cut"]);
    assert.deepEqual(inbox.items, ["b"]);
  }));

test("C2b a scope that was open already when the node was told takes nothing", () =>
  virtually(async () => {
    const inbox = new Inbox("a");
    await withCancelScope(async (outer) => {
      await withCancelScope(async () => {
        outer.cancel();
        assert.equal(await outcome(checkpoint()), "cut");
        assert.equal(await outcome(inbox.receive()), "cut");
      });
      assert.equal(await outcome(checkpoint()), "cut");
      assert.equal(await outcome(inbox.receive()), "cut");
    });
    assert.deepEqual(inbox.items, ["a"]);
  }));

test("C2b a loop over intake that swallows takes nothing, lets others run, and is slowed down after the cut-off", () =>
  virtually(
    async () => {
      const inbox = new Inbox(...Array<string>(100).fill("item"));
      let afterCutoff = 0;
      let beside = 0;
      await withTaskGroup(async (group) => {
        const worker = group.spawn(async () => {
          await sleepForever().catch(() => {});
          while (now() < 5000) {
            await inbox.receive().catch(() => {});
            if (now() > 100) afterCutoff++;
          }
        });
        group.spawn(async () => {
          for (; beside < 10; beside++) await sleep(200);
        });
        await waitAllTasksBlocked();
        worker.cancel();
      });
      assert.equal(inbox.items.length, 100);
      assert.equal(beside, 10);
      assert.ok(afterCutoff < 30, `${afterCutoff} rounds`);
    },
    { grace: 100 },
  ));

// --- C2k

test("C2k the k-th throw after the cut-off comes after min(2^k, 1000) ms", () =>
  virtually(
    async () => {
      const pauses: number[] = [];
      await withCancelScope(async (scope) => {
        scope.cancel();
        await rejection(checkpoint());
        await rejection(sleepForever());
        assert.equal(now(), 100);
        for (let k = 1; k <= 12; k++) {
          const before = now();
          await rejection(checkpoint());
          pauses.push(now() - before);
        }
      });
      assert.deepEqual(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 1000, 1000]);
    },
    { grace: 100 },
  ));

test("C2k all checkpoints of a node count together, also those that would not have to wait", () =>
  virtually(
    async () => {
      const pauses: number[] = [];
      await withCancelScope(async (scope) => {
        scope.cancel();
        await rejection(checkpoint());
        await rejection(sleepForever());
        const inbox = new Inbox("item");
        for (const call of [() => sleep(0), () => inbox.receive(), sleepForever, checkpoint]) {
          const before = now();
          await rejection(call());
          pauses.push(now() - before);
        }
      });
      assert.deepEqual(pauses, [2, 4, 8, 16]);
    },
    { grace: 10 },
  ));

test("C2k each node counts for itself", () =>
  virtually(
    async () => {
      const pauses: number[] = [];
      const timed = async (): Promise<void> => {
        const before = now();
        await rejection(checkpoint());
        pauses.push(now() - before);
      };
      await withCancelScope(async (scope) => {
        scope.cancel();
        await rejection(checkpoint());
        await rejection(sleepForever());
        await timed();
        await timed();
        await withCancelScope(timed);
        await timed();
      });
      assert.deepEqual(pauses, [2, 4, 2, 8]);
    },
    { grace: 10 },
  ));

const swallowers: Record<string, () => Promise<unknown>> = {
  checkpoint: () => checkpoint(),
  sleep: () => sleep(0),
  sleepForever: () => sleepForever(),
  "a scope of its own each time": () => withCancelScope(() => checkpoint()),
  "a scope that swallows inside each time": () => withCancelScope(() => checkpoint().catch(() => {})),
  "a group each time": () => withTaskGroup(() => checkpoint()),
  "a group with a child each time": () => withTaskGroup((group) => group.spawn(() => checkpoint())),
  "a deadline each time": () => failAfter(1, () => sleep(5)),
  "two at once": () => Promise.all([checkpoint(), sleep(1)]),
};

for (const [name, call] of Object.entries(swallowers)) {
  test(`C2k code that swallows cancellation can neither go on nor spin: ${name}`, () =>
    virtually(
      async () => {
        let rounds = 0;
        let went = 0;
        let beside = 0;
        await withTaskGroup(async (group) => {
          const { promise, resolve } = Promise.withResolvers<void>();
          const task = group.spawn(async () => {
            await promise;
            while (now() < 10_000 && rounds < 20_000) {
              await call().then(
                () => went++,
                () => {},
              );
              rounds++;
            }
          });
          group.spawn(async () => {
            for (; beside < 10; beside++) await sleep(500);
          });
          task.cancel();
          resolve();
        });
        assert.equal(beside, 10);
        // 2 ms a round, where each round has a node of its own
        assert.ok(rounds <= 5100, `${rounds} rounds`);
        if (!name.includes("inside")) assert.equal(went, 0);
      },
      { grace: 0 },
    ));
}

test("C2k code that a cancelled scope left behind cannot spin, whatever it calls", () =>
  virtually(async () => {
    for (const call of [...Object.values(swallowers), () => shield(() => checkpoint(), { timeout: 10 })]) {
      let rounds = 0;
      let stop = false;
      await withCancelScope(async (scope) => {
        scope.cancel();
        void (async () => {
          while (!stop && rounds < 20_000) {
            await call().catch(() => {});
            rounds++;
          }
        })();
        await checkpoint();
      });
      await sleep(3000);
      stop = true;
      assert.ok(rounds < 2000, `${rounds} rounds: ${String(call)}`);
    }
  }));

test("C2k the throws come through the event loop: timers and I/O of others have their turn", () =>
  run(
    async () => {
      let rounds = 0;
      let ticks = 0;
      await withTaskGroup(async (group) => {
        const task = group.spawn(async () => {
          while (ticks < 5) {
            await checkpoint().catch(() => {});
            rounds++;
          }
        });
        const interval = setInterval(() => ++ticks === 5 && clearInterval(interval), 1);
        task.cancel();
      });
      assert.equal(ticks, 5);
      assert.ok(rounds < 1000, `${rounds} rounds`);
    },
    { grace: 0, host: false },
  ));

test("a checkpoint without a cancellation gives nothing, and throws nothing", () =>
  virtually(async () => {
    for (let i = 0; i < 50_000; i++) assert.equal(await checkpoint(), undefined);
    assert.equal(now(), 0);
  }));

test("C2k the cut-off of a scope further in slows that scope's code alone", () =>
  virtually(async () => {
    const times: number[] = [];
    await withCancelScope(async (outer: Scope) => {
      await withCancelScope(
        async (inner) => {
          inner.cancel();
          for (let i = 0; i < 3; i++) await rejection(sleepForever());
          times.push(now());
        },
        { grace: 10 },
      );
      for (let i = 0; i < 100; i++) await checkpoint();
      times.push(now());
      assert.equal(outer.cancelRequested, false);
    });
    assert.deepEqual(times, [12, 12]);
  }));
