/** Shields: rule C8. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  checkpoint,
  currentSignal,
  failAfter,
  isCancelled,
  moveOnAfter,
  now,
  shield,
  sleep,
  sleepForever,
  TimeoutError,
  withCancelScope,
  withTaskGroup,
  type Scope,
} from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

const never = { timeout: Infinity };

/** When a shield of `timeout` that is entered at `entry` is cut, in a scope that is cancelled at `cancel`. */
async function endOfShield(timeout: number, entry: number, cancel: number): Promise<number> {
  const start = now();
  let end = NaN;
  await withTaskGroup(async (group) => {
    await withCancelScope(async (scope) => {
      group.spawn(async () => {
        await sleep(cancel);
        scope.cancel();
      });
      while (now() < start + entry) await sleep(start + entry - now()).catch(() => {});
      await rejection(
        shield(
          async () => {
            await rejection(sleepForever());
            end = now() - start;
            await checkpoint();
          },
          { timeout },
        ),
      );
    });
  });
  return end;
}

test("C8a a cancellation does not reach what is shielded, and is delivered after it", () =>
  virtually(async () => {
    const log: unknown[] = [];
    await withCancelScope(async (scope) => {
      const value = await shield(async () => {
        scope.cancel();
        await checkpoint();
        await sleep(10);
        log.push(now());
        return "done";
      }, never);
      log.push(value);
      await checkpoint();
      log.push("never");
    });
    assert.deepEqual(log, [10, "done"]);
  }));

test("C8a a wait in progress inside a shield is not cut", () =>
  virtually(async () => {
    await withTaskGroup(async (group) => {
      const shielded = group.spawn(async () => {
        const slept = await shield(() => sleep(100).then(() => now()), never);
        assert.ok(isCancelled(await rejection(checkpoint())));
        return slept;
      });
      await waitAllTasksBlocked();
      group.cancel();
      assert.equal(shielded.status, "running");
      await rejection(checkpoint());
      assert.equal(await shielded, 100);
    });
  }));

test("C8a a shield hides the cut-off too", () =>
  virtually(async () => {
    let finished = 0;
    await withCancelScope(
      async (scope) => {
        scope.cancel();
        try {
          await checkpoint();
        } finally {
          await shield(async () => {
            await sleep(1000);
            finished = now();
          }, never);
          assert.ok(isCancelled(await rejection(checkpoint())));
        }
      },
      { grace: 10 },
    );
    assert.equal(finished, 1000);
  }));

test("C8a a deadline around a shield does not end what is inside, but is reached", () =>
  virtually(async () => {
    const log: unknown[] = [];
    const error = await rejection(
      failAfter(10, async (scope) => {
        await shield(() => sleep(100), never);
        log.push(now(), scope.deadlineReached);
        await checkpoint();
      }),
    );
    assert.ok(error instanceof TimeoutError);
    assert.deepEqual(log, [100, true]);
  }));

test("C8a leaving a shield is not a checkpoint: its value is given, its error thrown", () =>
  virtually(async () => {
    const failure = new Error("inside");
    const log: unknown[] = [];
    await withCancelScope(async (scope) => {
      scope.cancel();
      log.push(await shield(() => "value", never));
      log.push(await rejection(shield(() => Promise.reject(failure), never)));
      log.push(isCancelled(await rejection(checkpoint())));
    });
    assert.deepEqual(log, ["value", failure, true]);
  }));

test("C8a cancellations from further in are not hidden", () =>
  virtually(async () => {
    const log: unknown[] = [];
    await shield(async () => {
      log.push(await moveOnAfter(10, () => sleepForever()), now());
      await withCancelScope(async (scope) => {
        scope.cancel();
        log.push(isCancelled(await rejection(checkpoint())));
      });
    }, never);
    assert.deepEqual(log, [undefined, 10, true]);
  }));

test("C8a a signal taken inside a shield is not aborted from outside", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      await shield(async () => {
        const signal = currentSignal();
        scope.cancel();
        await sleep(10);
        assert.equal(signal.aborted, false);
        assert.equal(currentSignal().aborted, false);
      }, never);
      assert.equal(currentSignal().aborted, true);
    });
  }));

test("C8a a group inside a shield is shielded with its children", () =>
  virtually(async () => {
    let done = 0;
    await withCancelScope(async (scope) => {
      await shield(
        () =>
          withTaskGroup(async (group) => {
            for (let i = 0; i < 3; i++) {
              group.spawn(async () => {
                await sleep(10);
                done++;
              });
            }
            scope.cancel();
            await checkpoint();
          }),
        never,
      );
    });
    assert.equal(done, 3);
  }));

test("C8a a task spawned inside a shield into an outer group has its group's scope, and is not shielded", () =>
  virtually(async () => {
    const log: string[] = [];
    await rejection(
      withTaskGroup(async (group) => {
        await shield(async () => {
          group.spawn(async () => {
            try {
              await sleepForever();
            } finally {
              log.push(`child cut at ${now()}`);
            }
          });
          await sleep(5);
          group.cancel();
          await sleep(5);
          log.push(`shielded until ${now()}`);
        }, never);
        await checkpoint();
      }),
    );
    assert.deepEqual(log, ["child cut at 5", "shielded until 10"]);
  }));

test("C8a a shield in a task does not hide that task's own cancellation from others of its code", () =>
  virtually(async () => {
    await withTaskGroup(async (group) => {
      const log: string[] = [];
      const task = group.spawn(async () => {
        const open = rejection(sleepForever()).then(() => log.push("unshielded cut"));
        await shield(async () => {
          await sleep(10);
          log.push("shielded done");
        }, never);
        await open;
      });
      await waitAllTasksBlocked();
      task.cancel();
      await task.outcome();
      assert.deepEqual(log, ["unshielded cut", "shielded done"]);
    });
  }));

// --- C8b

test("C8b the timeout counts from entry where something is hidden already", () =>
  virtually(async () => {
    assert.equal(await endOfShield(50, 20, 0), 70);
  }));

test("C8b the timeout counts from the first hidden cancellation where that comes later", () =>
  virtually(async () => {
    assert.equal(await endOfShield(50, 0, 200), 250);
  }));

test("C8b without a cancellation the timeout does not count", () =>
  virtually(async () => {
    await shield(() => sleep(1e6), { timeout: 1 });
    assert.equal(now(), 1e6);
  }));

test("C8b a later hidden cancellation, inner or outer, gives no more time", () =>
  virtually(async () => {
    let end = 0;
    await withTaskGroup(async (group) => {
      group.spawn(() =>
        withCancelScope((outer) =>
          withCancelScope(async (inner) => {
            group.spawn(async () => {
              await sleep(10);
              inner.cancel();
              await sleep(30);
              outer.cancel();
            });
            await shield(
              async () => {
                await sleepForever().finally(() => (end = now()));
              },
              { timeout: 50 },
            );
          }),
        ),
      );
    });
    assert.equal(end, 60);
  }));

test("C8b at the end of its time what was hidden is delivered with the outermost's error, and without grace", () =>
  virtually(async () => {
    await withCancelScope(async (outer) => {
      await withCancelScope(async (inner) => {
        inner.cancel("inner");
        outer.cancel("outer");
        await rejection(checkpoint());
        const errors: unknown[] = [];
        const times: number[] = [];
        const left = await rejection(
          shield(
            async () => {
              for (let i = 0; i < 3; i++) {
                errors.push(await rejection(sleepForever()));
                times.push(now());
              }
              throw errors[0];
            },
            { timeout: 50 },
          ),
        );
        assert.equal(left, outer.signal.reason);
        assert.deepEqual(errors, [left, left, left]);
        assert.deepEqual(times, [50, 52, 56]);
        // outside of the shield there still is grace
        await sleep(100);
      });
    });
  }));

test("C8b timeout 0: from the cancellation on nothing works inside", () =>
  virtually(async () => {
    for (const when of ["before", "inside"] as const) {
      const log: string[] = [];
      await withCancelScope(async (scope) => {
        if (when === "before") scope.cancel();
        const error = await rejection(
          shield(
            async () => {
              log.push("called");
              if (when === "inside") queueMicrotask(() => scope.cancel());
              try {
                await sleepForever();
              } finally {
                log.push("cut");
                await checkpoint();
                log.push("never");
              }
            },
            { timeout: 0 },
          ),
        );
        assert.ok(isCancelled(error));
      });
      assert.deepEqual(log, ["called", "cut"]);
    }
  }));

test("C8b timeout Infinity has no end", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      scope.cancel();
      await shield(() => sleep(1e9), never);
      assert.equal(now(), 1e9);
    });
  }));

test("C8b code that ends in time is not cut, and the shield's alarm is gone", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      scope.cancel();
      await shield(() => sleep(49), { timeout: 50 });
      await rejection(checkpoint());
      await sleep(100);
      assert.equal(now(), 149);
    });
  }));

test("C8b a scope opened inside a shield after its end throws at its first checkpoint", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      scope.cancel();
      await shield(
        async () => {
          await rejection(sleepForever());
          await withCancelScope(async () => {
            assert.ok(isCancelled(await rejection(sleep(1))));
          });
          assert.ok(isCancelled(await rejection(checkpoint())));
        },
        { timeout: 10 },
      );
    });
  }));

// --- C8c

/** Ends of an outer and an inner shield, entered at once inside a scope that is cancelled at 10. */
async function endsOfNested(outer: number, inner: number): Promise<{ inner: number; outer: number }> {
  const start = now();
  const ends = { inner: NaN, outer: NaN };
  const cut = (): Promise<number> =>
    sleep(1000).then(
      () => Infinity,
      () => now() - start,
    );
  await withTaskGroup(async (group) => {
    await withCancelScope(async (scope) => {
      group.spawn(async () => {
        await sleep(10);
        scope.cancel();
      });
      await shield(
        async () => {
          await shield(
            async () => {
              ends.inner = await cut();
            },
            { timeout: inner },
          );
          ends.outer = await cut();
        },
        { timeout: outer },
      );
    });
  });
  return ends;
}

test("C8c of nested shields the earliest end wins for what is inside both", () =>
  virtually(async () => {
    assert.deepEqual(await endsOfNested(100, 50), { inner: 60, outer: 110 });
    assert.deepEqual(await endsOfNested(Infinity, 50), { inner: 60, outer: Infinity });
    // the code between the two shields swallows, and is thrown at after 2 ms
    assert.deepEqual(await endsOfNested(50, 100), { inner: 60, outer: 62 });
    assert.deepEqual(await endsOfNested(50, Infinity), { inner: 60, outer: 62 });
    assert.deepEqual(await endsOfNested(Infinity, Infinity), { inner: Infinity, outer: Infinity });
  }));

test("C8c ends that come at once are one", () =>
  virtually(async () => {
    assert.deepEqual(await endsOfNested(50, 50), { inner: 60, outer: 62 });
  }));

test("C8c a shield entered while something is hidden does not prolong the one around", () =>
  virtually(async () => {
    const log: number[] = [];
    await withCancelScope(async (scope) => {
      scope.cancel();
      await shield(
        async () => {
          await sleep(80);
          await shield(
            async () => {
              await sleepForever().finally(() => log.push(now()));
            },
            { timeout: 1000 },
          );
        },
        { timeout: 100 },
      );
    });
    assert.deepEqual(log, [100]);
  }));

test("C8c an inner shield entered while something is hidden counts from its entry", () =>
  virtually(async () => {
    const log: number[] = [];
    await withCancelScope(async (scope) => {
      scope.cancel();
      await shield(
        async () => {
          await sleep(20);
          await rejection(
            shield(
              async () => {
                await sleepForever().finally(() => log.push(now()));
              },
              { timeout: 30 },
            ),
          );
          await sleep(20);
          log.push(now());
        },
        { timeout: 100 },
      );
    });
    assert.deepEqual(log, [50, 70]);
  }));

test("C8c a shield entered inside one that has ended gives no more time", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      scope.cancel();
      await shield(
        async () => {
          await rejection(sleepForever());
          await shield(async () => {
            assert.ok(isCancelled(await rejection(sleep(1))));
          }, never);
          const left = await rejection(
            withTaskGroup(() =>
              shield(async () => {
                assert.ok(isCancelled(await rejection(sleep(1))));
              }, never),
            ),
          );
          assert.ok(isCancelled(left));
        },
        { timeout: 10 },
      );
      assert.ok(now() < 20);
      // beside it, one still can
      await shield(() => sleep(100), never);
    });
  }));

test("C8c a scope between two shields that is cancelled is hidden by the inner one alone", () =>
  virtually(async () => {
    const log: unknown[] = [];
    await shield(async () => {
      await withCancelScope(async (between: Scope) => {
        between.cancel();
        await shield(
          async () => {
            await sleepForever().finally(() => log.push(now()));
          },
          { timeout: 30 },
        );
      });
      await sleep(10);
      log.push(now());
    }, never);
    assert.deepEqual(log, [30, 40]);
  }));

test("C9 20,000 nested shields end together", () =>
  virtually(async () => {
    let cut = 0;
    const level = async (levels: number): Promise<unknown> => {
      if (levels === 0) return sleepForever().finally(() => (cut = now()));
      return shield(
        async () => {
          await null;
          return level(levels - 1);
        },
        { timeout: 50 },
      );
    };
    await withCancelScope(async (scope) => {
      queueMicrotask(() => scope.cancel());
      await level(20_000);
    });
    assert.equal(cut, 50);
  }));

// --- shields in services

test("K3f C8b at the cut-off a service is cut, and not what it has shielded for longer", () =>
  virtually(async () => {
    const log: string[] = [];
    await rejection(
      withTaskGroup(
        async (group) => {
          group.spawn(() => shield(() => sleep(900), never));
          group.spawn(
            async () => {
              await Promise.allSettled([
                sleepForever().catch(() => log.push(`service cut ${now()}`)),
                shield(() => sleep(500), { timeout: 1000 }).then(() => log.push(`shielded ended ${now()}`)),
                shield(sleepForever, { timeout: 600 }).catch(() => log.push(`shielded cut ${now()}`)),
              ]);
            },
            { service: true },
          );
          await waitAllTasksBlocked();
          group.cancel();
          await checkpoint();
        },
        { grace: 100 },
      ),
    );
    assert.deepEqual(log, ["service cut 100", "shielded ended 500", "shielded cut 600"]);
    assert.equal(now(), 900);
  }));

test("K3e C8b the end of a shield in a service does not let in what the service hides, but its own cancellation", () =>
  virtually(async () => {
    const log: string[] = [];
    await rejection(
      withTaskGroup(async (group) => {
        group.spawn(() => shield(() => sleep(300), never));
        const shielded = (name: string) => async (): Promise<void> => {
          await shield(() => sleep(200), { timeout: 100 }).then(
            () => log.push(`${name} slept until ${now()}`),
            (error: unknown) => log.push(`${name} cut ${now()}: ${isCancelled(error) ? String(error.reason) : ""}`),
          );
        };
        const first = async (): Promise<void> => {
          await shielded("first")();
          await sleepForever().catch(() => log.push(`first ended ${now()}`));
        };
        group.spawn(first, { service: true });
        const second = group.spawn(shielded("second"), { service: true });
        await waitAllTasksBlocked();
        group.cancel("group");
        second.cancel("service");
        await checkpoint();
      }),
    );
    assert.deepEqual(log, ["second cut 100: service", "first slept until 200", "first ended 300"]);
  }));

test("K3e the end of a shield leaves a service inside one that outlives the others of its group", () =>
  virtually(async () => {
    const log: string[] = [];
    const inner = (): Promise<unknown> =>
      rejection(
        withTaskGroup(async (group) => {
          group.spawn(() => sleepForever().catch(() => log.push(`service ${now()}`)), { service: true });
          group.spawn(async () => {
            await rejection(sleepForever());
            await sleep(50);
            log.push(`child ${now()}`);
          });
          await sleep(200);
          group.cancel();
          await checkpoint();
        }),
      );
    await rejection(
      withTaskGroup(async (group) => {
        group.spawn(() => shield(() => sleep(400), never));
        group.spawn(() => shield(inner, { timeout: 100 }), { service: true });
        await waitAllTasksBlocked();
        group.cancel();
        await checkpoint();
      }),
    );
    assert.deepEqual(log, ["child 250", "service 250"]);
  }));

// --- C8d and misuse

test("C8d a shield without a timeout is refused, and its block is not called", () =>
  virtually(async () => {
    const block = (): void => assert.fail("called");
    for (const options of [undefined, {}, { timeout: undefined }]) {
      const error = await rejection(shield(block, options as never));
      assert.ok(error instanceof RangeError);
      assert.match(error.message, /without a timeout in 'main': give milliseconds, or Infinity/);
    }
  }));

test("C8d a timeout that makes no sense is refused", () =>
  virtually(async () => {
    const block = (): void => assert.fail("called");
    for (const [timeout, type, message] of [
      [NaN, RangeError, /NaN.*shield in 'main'/],
      [-1, RangeError, /-1 ms in 'main'/],
      [-Infinity, RangeError, /-Infinity ms in 'main'/],
      ["10", TypeError, /"10".*shield in 'main'/],
      [null, TypeError, /null.*shield in 'main'/],
    ] as const) {
      const error = await rejection(shield(block, { timeout: timeout as never }));
      assert.ok(error instanceof type);
      assert.match(error.message, message);
    }
  }));
