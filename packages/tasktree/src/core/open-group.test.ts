/** Groups without a block: rule K14. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  checkpoint,
  currentScope,
  DeadlockError,
  failAfter,
  InvalidStateError,
  isCancelled,
  moveOnAfter,
  now,
  openTaskGroup,
  run,
  shield,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
  WorkCancelledError,
  type OpenTaskGroup,
} from "../index.ts";
import { VirtualClock, waitAllTasksBlocked } from "../testing/index.ts";
import { waitsOf } from "./dump.ts";
import type { TaskNode } from "./task.ts";

/** Whether a group has ended, as one can tell from outside. */
function hasEnded(group: OpenTaskGroup): boolean {
  try {
    group.spawn(() => {});
    return false;
  } catch (error) {
    return error instanceof InvalidStateError;
  }
}

test("K14a an open group leaves its opener's scope as it was, and join waits for its children", () =>
  virtually(async () => {
    const before = currentScope();
    const group = openTaskGroup();
    assert.equal(currentScope(), before);
    let finished = false;
    group.spawn(() => sleep(50).then(() => (finished = true)));
    await group.join();
    assert.equal(finished, true);
    await group.join();
    assert.throws(() => group.spawn(() => {}), InvalidStateError);
  }));

test("K14a children may spawn siblings while somebody joins, and services end with the others", () =>
  virtually(async () => {
    const seen: string[] = [];
    const group = openTaskGroup();
    group.spawn(() => sleepForever().finally(() => seen.push("service")), { service: true });
    group.spawn(async () => {
      await sleep(5);
      group.spawn(() => sleep(5).then(() => seen.push("sibling")));
    });
    await group.join();
    assert.deepEqual(seen, ["sibling", "service"]);
  }));

test("K14a a join that is cancelled leaves the group as it is", () =>
  virtually(async () => {
    const group = openTaskGroup();
    const task = group.spawn(() => sleep(100).then(() => "value"));
    assert.equal(await moveOnAfter(10, () => group.join()), undefined);
    assert.equal(task.status, "running");
    await group.join();
    assert.equal(await task, "value");
  }));

test("K14a a group may be closed from another task than its opener's", () =>
  virtually(async () => {
    const group = openTaskGroup();
    group.spawn(sleepForever);
    await withTaskGroup((other) => void other.spawn(() => group[Symbol.asyncDispose]()));
    assert.equal(group.cancelRequested, true);
    assert.throws(() => group.spawn(() => {}), InvalidStateError);
  }));

test("K14a join rejects with the first failure, each time", () =>
  virtually(async () => {
    const error = new Error("child");
    const group = openTaskGroup();
    group.spawn(async () => {
      await sleep(5);
      throw error;
    });
    const joined = [rejection(group.join()), rejection(group.join())];
    assert.deepEqual(await Promise.all(joined), [error, error]);
    assert.equal(await rejection(group.join()), error);
  }));

test("K14b a scope that ends first cancels its open group and waits for it", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withCancelScope(() => {
      openTaskGroup().spawn(async () => {
        try {
          await sleepForever();
        } finally {
          await sleep(100);
          seen.push("cleaned");
        }
      });
    });
    assert.deepEqual(seen, ["cleaned"]);
    assert.equal(now(), 100);
  }));

test("K14b so do a task and a group, and a scope left unawaited is ended the same way", () =>
  virtually(async () => {
    const seen: string[] = [];
    const cleaned = async (what: string): Promise<void> => sleepForever().finally(() => seen.push(what));
    await withTaskGroup((group) => {
      group.spawn(() => void openTaskGroup().spawn(() => cleaned("of the task")));
      openTaskGroup().spawn(() => cleaned("of the group"));
      void withCancelScope(() => cleaned("unawaited"));
    });
    assert.deepEqual(seen.toSorted(), ["of the group", "of the task", "unawaited"]);
  }));

test("K14c an open group of the root outlives the scope and the task that opened it, and ends with the run", async () => {
  const seen: string[] = [];
  await run(
    async () => {
      let pool: OpenTaskGroup | undefined;
      await withTaskGroup((group) => {
        group.spawn(() => {
          pool = openTaskGroup({ parent: "root" });
          pool.spawn(() => sleepForever().finally(() => seen.push("ended")));
        });
      });
      await sleep(10);
      assert.equal(pool!.cancelRequested, false);
      seen.push("main returns");
    },
    { clock: new VirtualClock(), host: false },
  );
  assert.deepEqual(seen, ["main returns", "ended"]);
});

test("K14d a failure that nobody joins for fails the owner's task, there and then", () =>
  virtually(async () => {
    const error = new Error("nobody joins");
    let cut: unknown;
    const owner = withTaskGroup((group) => {
      group.spawn(async () => {
        openTaskGroup().spawn(async () => {
          await sleep(5);
          throw error;
        });
        cut = await rejection(sleepForever());
        throw cut;
      });
    });
    assert.equal(await rejection(owner), error);
    assert.ok(isCancelled(cut));
  }));

test("K14e disposal cancels, waits, and is not cut by a cancellation of its caller", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withTaskGroup(async (outer) => {
      const group = openTaskGroup();
      group.spawn(async () => {
        try {
          await sleepForever();
        } finally {
          await sleep(100);
          seen.push("cleaned");
        }
      });
      await waitAllTasksBlocked();
      const closer = outer.spawn(async () => {
        await group[Symbol.asyncDispose]();
        seen.push("disposed");
      });
      closer.cancel();
      await closer;
    });
    assert.deepEqual(seen, ["cleaned", "disposed"]);
  }));

test("K14e disposal begins also in a cancelled scope", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withCancelScope(async (scope) => {
      await using group = openTaskGroup();
      group.spawn(() => sleepForever().finally(() => seen.push("child")));
      scope.cancel();
      await checkpoint();
    });
    assert.deepEqual(seen, ["child"]);
  }));

test("K14e disposal rejects with a failure that no join has given, and is silent about one that it has", () =>
  virtually(async () => {
    const error = new Error("cleanup");
    const failing = (group: OpenTaskGroup): void => {
      group.spawn(async () => {
        try {
          await sleepForever();
        } finally {
          throw error;
        }
      });
    };
    const group = openTaskGroup();
    failing(group);
    assert.equal(await rejection(group[Symbol.asyncDispose]()), error);
    await group[Symbol.asyncDispose]();
    const joined = openTaskGroup();
    failing(joined);
    setTimeout(() => joined.cancel(), 0);
    assert.equal(await rejection(joined.join()), error);
    await joined[Symbol.asyncDispose]();
  }));

// --- odd corners

test("K14a whoever joins before the group has ended gets its failure, and nobody else does", () =>
  virtually(async () => {
    for (const kind of ["throws", "rejects"]) {
      for (let delay = 0; delay < 12; delay++) {
        const error = new Error(`${kind}, ${delay}`);
        let inTime = false;
        const owner = withTaskGroup((owner) => {
          owner.spawn(async () => {
            const group = openTaskGroup();
            group.spawn(() => {
              if (kind === "throws") throw error;
              return Promise.reject(error);
            });
            for (let i = 0; i < delay; i++) await null;
            inTime = !hasEnded(group);
            assert.equal(await rejection(group.join()), error);
            await sleep(1);
          });
        });
        const thrown = await owner.catch((reason: unknown) => reason);
        assert.equal(thrown, inTime ? undefined : error, error.message);
        if (delay === 0) assert.equal(inTime, true);
      }
    }
  }));

test("K14a all who join and dispose get the same error, of collected failures too", () =>
  virtually(async () => {
    const error = new Error("child");
    const group = openTaskGroup({ failures: "collect" });
    group.spawn(() => Promise.reject(error));
    const [first, second] = await Promise.all([rejection(group.join()), rejection(group.join())]);
    assert.ok(first instanceof AggregateError);
    assert.deepEqual(first.errors, [error]);
    assert.equal(second, first);
    assert.equal(await rejection(group.join()), first);
    await group[Symbol.asyncDispose]();
  }));

test("K14a attempts that nobody awaited fail the join", () =>
  virtually(async () => {
    const error = new Error("attempt");
    const group = openTaskGroup();
    group.attempt(() => Promise.reject(error));
    await waitAllTasksBlocked();
    assert.equal(await rejection(group.join()), error);
  }));

test("K14a a child spawned while the group is being told that all have ended is waited for, or refused", () =>
  virtually(() =>
    withTaskGroup(async (other) => {
      for (let delay = 0; delay < 12; delay++) {
        let running = 0;
        const group = openTaskGroup();
        const last = group.spawn(() => sleep(5));
        other.spawn(async () => {
          await last;
          for (let i = 0; i < delay; i++) await null;
          group.trySpawn(async () => {
            running++;
            await sleep(10).finally(() => running--);
          });
        });
        await group.join();
        assert.equal(running, 0, `after ${delay} steps a child outlives its group`);
      }
    }),
  ));

test("K14a join is a checkpoint: with the group ended, in a cancelled scope, in cleanup", () =>
  virtually(async () => {
    const group = openTaskGroup();
    await group.join();
    const value = await withCancelScope(async (scope) => {
      scope.cancel();
      assert.ok(isCancelled(await rejection(group.join())));
      await group.join();
      return "joined in cleanup";
    });
    assert.equal(value, "joined in cleanup");
  }));

test("K14a a group that was cancelled while somebody outside joins tells them so", () =>
  virtually(() =>
    withTaskGroup(async (other) => {
      let group: OpenTaskGroup | undefined;
      await withCancelScope(async (scope) => {
        group = openTaskGroup();
        group.spawn(sleepForever);
        const joiner = other.attempt(() => group!.join());
        await waitAllTasksBlocked();
        scope.cancel("the owner");
        const error = await rejection(shield(async () => await joiner, { timeout: 100 }));
        assert.ok(error instanceof WorkCancelledError);
        assert.ok(isCancelled(error.cause) && error.cause.reason === "the owner");
      });
    }),
  ));

test("K14b an owner waits for a group that was opened in its cancelled scope no longer than for its children", () =>
  virtually(async () => {
    await withCancelScope((scope) => {
      scope.cancel();
      openTaskGroup();
    });
    await withCancelScope(async (scope) => {
      scope.cancel();
      await rejection(checkpoint());
      openTaskGroup();
    });
    await withCancelScope(() => void openTaskGroup({ signal: AbortSignal.abort() }));
    assert.equal(now(), 0);
  }));

test("K14b cleanup of an owner's open group may open others, which are ended as well", async () => {
  const seen: string[] = [];
  const cleaned = (what: string): Promise<unknown> => sleepForever().finally(() => seen.push(what));
  await virtually(async () => {
    for (const parent of ["scope", "root"] as const) {
      openTaskGroup({ parent }).spawn(async () => {
        try {
          await sleepForever();
        } finally {
          openTaskGroup({ parent }).spawn(() => cleaned(parent));
        }
      });
    }
    await withCancelScope(() => {
      openTaskGroup().spawn(async () => {
        await rejection(sleepForever());
        await sleep(10);
      });
      void sleep(5).then(() => void openTaskGroup().spawn(() => cleaned("left behind")));
    });
  });
  assert.deepEqual(seen, ["left behind", "scope", "root"]);
});

test("K14b the owner is told of a failure in the cleanup of a group that it has ended", () =>
  virtually(async () => {
    const error = new Error("cleanup");
    const owner = withTaskGroup((group) => {
      group.spawn(() => {
        openTaskGroup().spawn(async () => {
          try {
            await sleepForever();
          } finally {
            throw error;
          }
        });
      });
    });
    assert.equal(await rejection(owner), error);
  }));

test("K14b a warning tells that an owner has ended its group", async () => {
  const told: string[] = [];
  await virtually(
    async () => {
      await withCancelScope(() => void openTaskGroup({ name: "pool" }).spawn(sleepForever), { name: "request" });
    },
    { instruments: [{ warning: (message) => told.push(message) }] },
  );
  assert.equal(told.length, 1);
  assert.match(told[0]!, /'main\/request' ended before 'main\/request\/pool'/);
});

test("K14c a failure in an open group of the root that nobody joins fails the run, not the opener", async () => {
  const error = new Error("pool");
  let cut: unknown;
  const main = virtually(async () => {
    await withTaskGroup((group) => {
      group.spawn(
        () => void openTaskGroup({ parent: "root" }).spawn(() => sleep(50).then(() => Promise.reject(error))),
      );
    });
    cut = await rejection(sleepForever());
    throw cut;
  });
  assert.equal(await rejection(main), error);
  assert.ok(isCancelled(cut));
});

test("K14d so does a failure whose only joiner was cut before the group had ended", async () => {
  const error = new Error("joiner left");
  const main = virtually(async () => {
    const group = openTaskGroup();
    group.spawn(() => sleep(50).then(() => Promise.reject(error)));
    await moveOnAfter(10, () => group.join());
    await sleepForever();
  });
  assert.equal(await rejection(main), error);
});

test("K14d a failure counts as joined for while somebody disposes", () =>
  virtually(async () => {
    const error = new Error("while disposing");
    const value = await withTaskGroup(async () => {
      const group = openTaskGroup();
      group.spawn(async () => {
        await rejection(sleepForever());
        await sleep(10);
        throw error;
      });
      await waitAllTasksBlocked();
      assert.equal(await rejection(group[Symbol.asyncDispose]()), error);
      return "value";
    });
    assert.equal(value, "value");
  }));

test("K14e a group disposed while a child fails waits for all, and gives the failure once", () =>
  virtually(async () => {
    const error = new Error("child");
    const seen: string[] = [];
    const group = openTaskGroup();
    const gate = Promise.withResolvers<never>();
    group.spawn(() => gate.promise);
    group.spawn(async () => {
      await rejection(sleepForever());
      await sleep(20);
      seen.push("cleaned");
    });
    await waitAllTasksBlocked();
    gate.reject(error);
    const disposals = [group[Symbol.asyncDispose](), group[Symbol.asyncDispose](), group.join()];
    const settled = await Promise.allSettled(disposals);
    assert.deepEqual(seen, ["cleaned"]);
    const errors = settled.flatMap((one) => (one.status === "rejected" ? [one.reason as unknown] : []));
    assert.ok(errors.length > 0 && errors.every((one) => one === error));
  }));

test("K14e a block that fails and then disposes of a group that fails keeps both errors", () =>
  virtually(async () => {
    const [block, child] = [new Error("block"), new Error("child")];
    const error = await rejection(
      (async () => {
        await using group = openTaskGroup();
        group.spawn(async () => {
          try {
            await sleepForever();
          } finally {
            throw child;
          }
        });
        throw block;
      })(),
    );
    assert.ok(error instanceof SuppressedError);
    assert.equal(error.suppressed, block);
    assert.equal(error.error, child);
  }));

test("K14e disposal waits beyond the cut-off of its caller", () =>
  virtually(
    async () => {
      const seen: string[] = [];
      await withCancelScope(async (scope) => {
        await using group = openTaskGroup();
        group.spawn(() => shield(() => sleep(500), { timeout: Infinity }).finally(() => seen.push("shielded child")));
        scope.cancel();
        await checkpoint();
      });
      assert.deepEqual(seen, ["shielded child"]);
    },
    { grace: 100 },
  ));

test("K14e cleanup that a cancellation has begun is not cut by the disposal", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withCancelScope(async (scope) => {
      await using group = openTaskGroup();
      group.spawn(async () => {
        try {
          await sleepForever();
        } finally {
          await sleep(50);
          seen.push("cleaned");
        }
      });
      await waitAllTasksBlocked();
      scope.cancel();
      await checkpoint();
    });
    assert.deepEqual(seen, ["cleaned"]);
  }));

test("K14e a group that was joined, or never had a child, is disposed of at once and more than once", () =>
  virtually(async () => {
    const group = openTaskGroup();
    await group[Symbol.asyncDispose]();
    await group[Symbol.asyncDispose]();
    await group.join();
    const joined = openTaskGroup();
    await joined.join();
    await joined[Symbol.asyncDispose]();
    assert.equal(joined.cancelRequested, false);
  }));

test("K14a K14e join and disposal from inside the group are a DeadlockError, and the group goes on", async () => {
  const errors: unknown[] = [];
  const ended = virtually(async () => {
    const group = openTaskGroup({ name: "workers" });
    for (const [name, close] of [
      ["join", () => group.join()],
      ["dispose of", () => group[Symbol.asyncDispose]()],
    ] as const) {
      const inside = [
        close,
        () => withTaskGroup((inner) => void inner.spawn(close)),
        () => withCancelScope(close),
        () => shield(close, { timeout: 10 }),
      ];
      for (const [at, block] of inside.entries()) {
        const error = await rejection(group.attempt(block, { name: `child-${at}` }));
        assert.ok(error instanceof DeadlockError);
        assert.match(error.message, new RegExp(`^Cannot ${name} group '.*workers' from '.*child-${at}.*' inside it`));
        errors.push(error);
      }
    }
    assert.equal(group.cancelRequested, false);
    let finished = false;
    group.spawn(() => sleep(10).then(() => (finished = true)));
    await group.join();
    assert.equal(finished, true);
  });
  // If it does hang, nothing can cut it.
  let turns = 0;
  void ended.then(
    () => (turns = Infinity),
    () => (turns = Infinity),
  );
  while (turns++ < 1000) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(turns, Infinity, `the group hangs after ${errors.length} calls`);
  await ended;
  assert.equal(errors.length, 8);
});

test("K14a K14e a child that outlives its group's end there and then may join and dispose of what has ended", () =>
  virtually(async () => {
    const group = openTaskGroup();
    const { promise, resolve } = Promise.withResolvers<void>();
    let late!: Promise<void>;
    group.spawn(() => {
      late = promise.then(() => group.join()).then(() => group[Symbol.asyncDispose]());
    });
    await group.join();
    resolve();
    await late;
  }));

test("K14b what a scope closes because nobody awaited it is not reported as unhandled: groups, and work with a deadline", async () => {
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => void unhandled.push(error);
  process.on("unhandledRejection", note);
  const seen: string[] = [];
  const cut = (name: string) => (): Promise<void> => sleepForever().finally(() => seen.push(name));
  try {
    // outside of any run: nobody but the process would be told
    await withCancelScope(async () => {
      void withCancelScope(cut("scope"));
      void withTaskGroup(cut("group"));
      void failAfter(10_000, cut("failAfter"));
      void moveOnAfter(10_000, cut("moveOnAfter"));
      void shield(cut("shield"), { timeout: 10_000 });
      await checkpoint();
    });
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  } finally {
    process.off("unhandledRejection", note);
  }
  assert.deepEqual(seen, ["scope", "group", "failAfter", "moveOnAfter", "shield"]);
  assert.deepEqual(unhandled, []);
});

test("an open group's options are checked", () =>
  virtually(
    () => {
      for (const [options, type] of [
        [{ parent: "above" }, "TypeError"],
        [{ failures: "ignore" }, "TypeError"],
        [{ name: 5 }, "TypeError"],
        [{ signal: {} }, "TypeError"],
        [{ grace: -1 }, "RangeError"],
        [{ grace: NaN }, "RangeError"],
        [{ deadline: NaN }, "RangeError"],
      ] as const) {
        assert.throws(() => openTaskGroup(options as never), { name: type, message: /in 'request'/ });
      }
    },
    { name: "request" },
  ));

test("K14a a shielded join inside the cancelled scope rejects with that scope's own cancellation", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      const group = openTaskGroup();
      group.spawn(sleepForever);
      scope.cancel("the owner");
      const error = await rejection(shield(() => group.join(), { timeout: 100 }));
      assert.ok(isCancelled(error) && error.reason === "the owner");
    });
  }));

test("K14c a group of the root that has ended cannot be opened by code that a cancelled scope has left behind", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  let opened!: Promise<unknown>;
  await virtually(
    () =>
      withCancelScope((scope) => {
        opened = rejection(promise.then(() => openTaskGroup({ parent: "root" })));
        scope.cancel();
      }),
    { name: "request" },
  );
  resolve();
  const error = await opened;
  assert.ok(error instanceof InvalidStateError);
  assert.match(error.message, /^Cannot open a group in '.+': it has ended$/);
});

test("R3b a task that joins a group is told to wait for that group", () =>
  virtually(
    async () => {
      await using pool = openTaskGroup({ name: "pool" });
      pool.spawn(sleepForever);
      await withTaskGroup(async (group) => {
        const joiner = group.spawn(() => pool.join());
        await waitAllTasksBlocked();
        assert.equal(waitsOf(joiner as TaskNode), "waits for group 'request/pool'");
        joiner.cancel();
      });
    },
    { name: "request" },
  ));
