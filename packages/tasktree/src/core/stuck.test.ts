/** Tasks that don't end: rule C10. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runInThisContext } from "node:vm";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  checkpoint,
  currentSignal,
  isCancelled,
  now,
  openTaskGroup,
  run,
  Semaphore,
  shield,
  sleep,
  sleepForever,
  StuckTaskError,
  withCancelScope,
  withTaskGroup,
  type RunOptions,
  type Scope,
  type Task,
  type TaskGroup,
} from "../index.ts";
import { VirtualClock, waitAllTasksBlocked } from "../testing/index.ts";
import { here } from "./current.ts";

interface Told {
  readonly at: number;
  readonly path: string;
  readonly waitsFor: string;
}

/** Runs `main` with a grace of 100 ms, and notes what is told of stuck tasks. */
function stuckIn<T>(main: (told: Told[]) => Promise<T>, options: RunOptions = {}): Promise<T> {
  const told: Told[] = [];
  const clock = new VirtualClock();
  const taskStuck = (task: { path: string }, waitsFor: string): void => {
    told.push({ at: clock.now(), path: task.path, waitsFor });
  };
  return virtually(() => main(told), { clock, grace: 100, name: "main", instruments: [{ taskStuck }], ...options });
}

const abandon = { onStuck: "abandon" } as const;

/** A promise that only the test settles. */
function foreign(): { promise: Promise<void>; resolve: () => void } {
  return Promise.withResolvers<void>();
}

test("C10a a task that has not ended when its grace is over keeps its group open, and is named every 5 s", () =>
  stuckIn(async (told) => {
    const { promise, resolve } = foreign();
    let ended = 0;
    await withTaskGroup(async (group) => {
      group.spawn(
        async () => {
          await withTaskGroup(async (inner) => {
            inner.spawn(() => promise, { name: "worker" });
            inner.cancel();
          });
          ended = now();
        },
        { name: "owner" },
      );
      await sleep(17_000);
      assert.equal(ended, 0);
      resolve();
    });
    assert.equal(ended, 17_000);
    assert.deepEqual(
      told.map(({ path }) => path),
      Array(4).fill("main/owner/worker"),
    );
    const times = told.map(({ at }) => at);
    assert.deepEqual(
      times.slice(1).map((at, before) => at - times[before]!),
      [5000, 5000, 5000],
    );
    assert.ok(times[0]! >= 100 && times[0]! <= 200);
  }));

test("C10a it is told what the task waits for", () =>
  stuckIn(async (told) => {
    const semaphore = new Semaphore(0, { max: 1, name: "db" });
    await withTaskGroup(async (group) => {
      group.spawn(
        () => shield(() => semaphore.acquire(), { timeout: Infinity }), // hides the cut-off from its wait
        { name: "reader" },
      );
      await waitAllTasksBlocked();
      group.cancel();
      await rejection(checkpoint());
      await shield(() => sleep(1000), { timeout: Infinity });
      assert.equal(told[0]?.path, "main/reader");
      assert.match(told[0].waitsFor, /semaphore 'db'/);
      semaphore.release();
    });
  }));

test("C10a in debug mode what it was spawned by is in the dump that names it", async (t) => {
  const printed: string[] = [];
  t.mock.method(console, "error", (...args: unknown[]) => printed.push(args.join(" ")));
  // frames of the library's own folder, where this test is, are not shown
  const spawn = runInThisContext("(group, fn, options) => group.spawn(fn, options)", { filename: "app.js" }) as (
    group: TaskGroup,
    ...args: Parameters<TaskGroup["spawn"]>
  ) => Task;
  await stuckIn(
    async () => {
      const { promise, resolve } = foreign();
      await withTaskGroup(async (group) => {
        const task = spawn(group, () => promise, { name: "worker" });
        await waitAllTasksBlocked();
        task.cancel();
        await sleep(1000);
        resolve();
      });
    },
    { debug: true },
  );
  const line = printed.find((line) => line.includes("main/worker") && line.includes("grace"));
  assert.ok(line !== undefined, printed.join("\n"));
  assert.match(line, /spawned .*app\.js:1/);
});

test("C10a a task in several cancelled scopes is named once every 5 s", () =>
  stuckIn(async (told) => {
    const { promise, resolve } = foreign();
    await withTaskGroup(async (around) => {
      around.spawn(() =>
        withCancelScope(async (outer) => {
          await withTaskGroup(async (group) => {
            const task = group.spawn(() => promise, { name: "worker" });
            await waitAllTasksBlocked();
            task.cancel();
            await sleep(10);
            group.cancel();
            outer.cancel();
            await rejection(checkpoint());
          });
        }),
      );
      await sleep(12_000);
      resolve();
    });
    const times = told.map(({ at }) => at);
    assert.equal(times.length, 3, String(times));
    assert.deepEqual(
      times.slice(1).map((at, before) => at - times[before]!),
      [5000, 5000],
    );
  }));

test("C10a a task that ends within its grace is not named", () =>
  stuckIn(async (told) => {
    await withTaskGroup(async (group) => {
      const task = group.spawn(async () => {
        try {
          await sleepForever();
        } finally {
          await sleep(99);
        }
      });
      await waitAllTasksBlocked();
      task.cancel();
      await sleep(20_000);
    });
    assert.deepEqual(told, []);
  }));

test("C10a a task that was not cancelled is not named, however long it takes", () =>
  stuckIn(async (told) => {
    const { promise, resolve } = foreign();
    await withTaskGroup(async (group) => {
      group.spawn(() => promise);
      await withCancelScope((scope) => (scope.cancel(), checkpoint()));
      await sleep(20_000);
      resolve();
    });
    assert.deepEqual(told, []);
  }));

test("C10a the report keeps no process alive: virtual time does not move for it", async () => {
  const clock = new VirtualClock();
  const { promise, resolve } = foreign();
  await run(
    async () => {
      await withTaskGroup(async (group) => {
        const task = group.spawn(() => promise);
        await waitAllTasksBlocked();
        task.cancel();
        await sleep(200);
        setTimeout(resolve, 50);
      });
    },
    { clock, host: false, grace: 100, instruments: [{ taskStuck: () => {} }] },
  );
  assert.equal(clock.now(), 200);
});

// --- C10b

test("C10b onStuck: abandon stops waiting: the group rejects with a StuckTaskError that names the task", () =>
  stuckIn(async (told) => {
    const left = await rejection(
      withTaskGroup(async (group) => {
        group.spawn(() => new Promise(() => {}), { name: "hangs" });
        await waitAllTasksBlocked();
        group.cancel();
      }),
    );
    assert.ok(left instanceof StuckTaskError);
    assert.equal(left.task, "main/hangs");
    assert.match(left.message, /main\/hangs/);
    assert.equal(told[0]?.path, "main/hangs");
    assert.equal(now(), 110);
    await checkpoint();
  }, abandon));

test("C10b the task's later calls throw the same error, at every checkpoint and in everything inside", () =>
  stuckIn(async () => {
    const { promise, resolve } = foreign();
    const seen: unknown[] = [];
    const semaphore = new Semaphore(1);
    let signal!: AbortSignal;
    let late!: Promise<void>;
    const left = await rejection(
      withTaskGroup(async (group) => {
        group.spawn(
          () =>
            (late = withCancelScope(async () => {
              signal = currentSignal();
              await promise;
              seen.push(await rejection(checkpoint()));
              seen.push(await rejection(sleep(1)));
              seen.push(await rejection(semaphore.acquire()));
              seen.push(await rejection(withTaskGroup(() => checkpoint())));
              seen.push(await rejection(withCancelScope(() => sleepForever())));
              seen.push(await rejection(shield(() => checkpoint(), { timeout: Infinity })));
            }) as Promise<void>),
        );
        await waitAllTasksBlocked();
        group.cancel();
      }),
    );
    assert.ok(left instanceof StuckTaskError);
    assert.equal(signal.aborted, true);
    resolve();
    await late.catch(() => {});
    assert.deepEqual(seen, Array(6).fill(left));
    assert.deepEqual(semaphore.statistics(), { free: 1, held: 0, waiting: 0 });
  }, abandon));

test("C10b its waits in progress are cut with that error, also those that a shield protects", () =>
  stuckIn(async () => {
    let error: unknown;
    const left = await rejection(
      withTaskGroup(async (group) => {
        group.spawn(async () => {
          await Promise.allSettled([
            shield(() => sleepForever(), { timeout: Infinity }).catch((thrown: unknown) => (error = thrown)),
            new Promise(() => {}),
          ]);
        });
        await waitAllTasksBlocked();
        group.cancel();
      }),
    );
    assert.ok(left instanceof StuckTaskError);
    assert.equal(error, left);
  }, abandon));

test("C10b what was given up can neither go on nor spin", () =>
  stuckIn(async () => {
    for (const call of [checkpoint, () => withCancelScope(() => checkpoint()), () => withTaskGroup(() => sleep(1))]) {
      const { promise, resolve } = foreign();
      let rounds = 0;
      let went = 0;
      let stop = false;
      await rejection(
        withTaskGroup(async (group) => {
          group.spawn(async () => {
            await promise;
            while (!stop && rounds < 20_000) {
              await call().then(
                () => went++,
                () => {},
              );
              rounds++;
            }
          });
          await waitAllTasksBlocked();
          group.cancel();
        }),
      );
      resolve();
      await sleep(3000);
      stop = true;
      assert.equal(went, 0);
      assert.ok(rounds > 0 && rounds < 2000, `${rounds} rounds`);
    }
  }, abandon));

test("C10b disposers of what was given up still begin", () =>
  stuckIn(async () => {
    const { promise, resolve } = foreign();
    const log: string[] = [];
    let late!: Promise<void>;
    await rejection(
      withTaskGroup(async (group) => {
        group.spawn(
          () =>
            (late = (async () => {
              const open = openTaskGroup();
              open.spawn(() => sleepForever().finally(() => log.push("child ended")));
              try {
                await promise;
                await checkpoint();
              } finally {
                await open[Symbol.asyncDispose]().then(
                  () => log.push("disposed"),
                  (error: unknown) => log.push(`disposed: ${String(error)}`),
                );
              }
            })()),
        );
        await waitAllTasksBlocked();
        group.cancel();
      }),
    );
    resolve();
    await late.catch(() => {});
    assert.deepEqual(log, ["child ended", "disposed"]);
  }, abandon));

test("C10b what the cut-off has cut gets a moment to end by itself", () =>
  stuckIn(async (told) => {
    let ended = false;
    await rejection(
      withTaskGroup(async (group) => {
        const { promise, resolve } = foreign();
        group.spawn(async () => {
          await sleepForever().catch(() => {});
          await sleepForever().catch(() => {});
          await promise;
          ended = true;
        });
        await waitAllTasksBlocked();
        group.cancel();
        await rejection(checkpoint());
        await shield(() => sleep(109), { timeout: Infinity });
        resolve();
        await checkpoint();
      }),
    );
    assert.equal(ended, true);
    assert.deepEqual(told, []);
  }, abandon));

test("C10b of several, those go first that don't just wait for others", () =>
  stuckIn(async (told) => {
    const errors: unknown[] = [];
    const left = await rejection(
      withTaskGroup(async (group: TaskGroup) => {
        group.spawn(
          async () => {
            const error = await rejection(
              withTaskGroup((inner) => void inner.spawn(() => new Promise(() => {}), { name: "inner" })),
            );
            errors.push(error);
            throw error;
          },
          { name: "outer" },
        );
        await waitAllTasksBlocked();
        group.cancel();
      }),
    );
    assert.ok(left instanceof StuckTaskError);
    assert.equal(left.task, "main/outer/inner");
    assert.deepEqual(errors, [left]);
    assert.deepEqual(
      told.map(({ path }) => path),
      ["main/outer/inner"],
    );
  }, abandon));

test("C10b a task whose grace is over is given up, the ones beside it go on", () =>
  stuckIn(async () => {
    let done = false;
    const left = await rejection(
      withTaskGroup(
        async (group) => {
          const hangs = group.spawn(() => new Promise(() => {}), { name: "hangs" });
          group.spawn(() => sleep(1000).then(() => (done = true)));
          await waitAllTasksBlocked();
          hangs.cancel();
        },
        { failures: "collect" },
      ),
    );
    assert.ok(left instanceof AggregateError);
    assert.ok(left.errors[0] instanceof StuckTaskError);
    assert.equal(done, true);
  }, abandon));

test("C10b whoever awaits the task gets the error", () =>
  stuckIn(async () => {
    await withTaskGroup(async (around) => {
      await withTaskGroup(async (group) => {
        const task = group.attempt(() => new Promise(() => {}));
        const waiter = around.spawn(() => task.outcome());
        await waitAllTasksBlocked();
        task.cancel();
        const outcome = await waiter;
        assert.ok(outcome.status === "failed" && outcome.error instanceof StuckTaskError);
      });
    });
  }, abandon));

test("C10b without it, code that swallows is waited for, and cannot spin", () =>
  stuckIn(async () => {
    let rounds = 0;
    await withTaskGroup(async (group) => {
      const task = group.spawn(async () => {
        while (now() < 60_000) {
          await checkpoint().catch((error: unknown) => assert.ok(isCancelled(error)));
          await sleepForever().catch(() => {});
          rounds++;
        }
      });
      await waitAllTasksBlocked();
      task.cancel();
    });
    assert.ok(now() >= 60_000);
    assert.ok(rounds < 100, `${rounds} rounds`);
  }));

test("C10b alarms inside of what was given up are taken back: nothing rings later, nor holds the process", () =>
  stuckIn(async () => {
    const { promise, resolve } = foreign();
    const scopes: Scope[] = [];
    let ended = 0;
    await rejection(
      withTaskGroup(async (group) => {
        group.spawn(() =>
          Promise.all([
            withCancelScope((scope) => (scopes.push(scope), promise), { deadline: now() + 10_000 }),
            withCancelScope((scope) => (scopes.push(scope), scope.drain(10_000), promise)),
            withCancelScope((scope) => (scopes.push(scope), scope.cancel(), promise), { grace: 10_000 }),
            shield(() => promise, { timeout: 100 }),
          ]).finally(() => ended++),
        );
        await waitAllTasksBlocked();
        group.cancel();
      }),
    );
    await sleep(20); // the watch itself has ended by then
    assert.equal(here().root.clock.holding, 0);
    await sleep(20_000);
    assert.deepEqual(
      scopes.map((scope) => [scope.cancelRequested, scope.deadlineReached]),
      [
        [false, false],
        [false, false],
        [true, false],
      ],
    );
    assert.equal(ended, 0);
    resolve();
  }, abandon));

test("C10b a watch that has nobody to give up keeps no process alive: virtual time does not move for it", async () => {
  const clock = new VirtualClock();
  const { promise, resolve } = foreign();
  await run(
    async () => {
      await withCancelScope(
        async (scope) => {
          scope.cancel();
          await sleep(200).catch(() => {});
          await sleep(200).catch(() => {});
          setTimeout(resolve, 50);
          // Foreign code in a scope that has no task of its own: nobody can be given up for it.
          await promise;
        },
        { grace: 100 },
      );
    },
    { clock, host: false, onStuck: "abandon" },
  );
  assert.ok(clock.now() < 200, `time went on to ${clock.now()}`);
});

test("onStuck is checked", async () => {
  const error = await rejection(run(() => {}, { host: false, onStuck: "kill" as never }));
  assert.ok(error instanceof TypeError);
  assert.match(error.message, /"kill" as onStuck: wanted "wait" or "abandon"/);
});

test("C10b nobody is given up while a shield inside has time left", () =>
  stuckIn(async (told) => {
    const seen: [string, number][] = [];
    await withTaskGroup(async (group) => {
      const stuck = group.attempt(async () => {
        await shield(() => sleep(300), { timeout: 1000 });
        seen.push(["shield", now()]);
        await foreign().promise;
      });
      stuck.cancel();
      const error = await rejection(stuck);
      seen.push([(error as Error).name, now()]);
    });
    assert.deepEqual(seen, [
      ["shield", 300],
      ["StuckTaskError", 310],
    ]);
    assert.deepEqual(
      told.map(({ at }) => at),
      [110, 310],
    );
  }, abandon));

test("C10b nobody is given up for a service inside a shield that has time left", () =>
  stuckIn(async (told) => {
    await withTaskGroup(async (group) => {
      const worker = group.attempt(() =>
        shield(
          () =>
            withTaskGroup(async (inner) => {
              inner.spawn(sleepForever, { service: true });
              await sleep(300);
            }),
          { timeout: 1000 },
        ),
      );
      await waitAllTasksBlocked();
      worker.cancel();
      assert.equal((await worker.outcome()).status, "ok");
    });
    assert.equal(now(), 300);
    assert.deepEqual(
      told.map(({ at }) => at),
      [110],
    );
  }, abandon));

test("C10b what a task that was given up has open inside a shield is told of that, and stays so", () =>
  stuckIn(async () => {
    const { promise, resolve } = foreign();
    const seen: unknown[] = [];
    await withTaskGroup(async (group) => {
      let around!: Scope;
      const cleanup = async (scope: Scope): Promise<void> => {
        scope.cancel();
        await rejection(checkpoint());
        const signal = currentSignal(); // aborts at the cut-off of this scope, which is far
        signal.addEventListener("abort", () => seen.push((signal.reason as Error).name, now()));
        await promise;
        seen.push(((await rejection(checkpoint())) as Error).name);
      };
      const bounded = (scope: Scope): Promise<unknown> => {
        around = scope;
        return withCancelScope(cleanup, { grace: 10_000 });
      };
      const stuck = group.attempt(() => shield(() => withCancelScope(bounded), { timeout: Infinity }));
      await waitAllTasksBlocked();
      stuck.cancel();
      assert.ok((await rejection(stuck)) instanceof StuckTaskError);
      around.cancel("too late");
      resolve();
      await sleep(100);
    });
    assert.deepEqual(seen, ["StuckTaskError", 110, "StuckTaskError"]);
  }, abandon));
