/** Where AbortSignals and scopes meet: rule C7. */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  CancelledError,
  checkpoint,
  currentScope,
  currentSignal,
  isCancelled,
  moveOnAfter,
  now,
  run,
  shield,
  sleep,
  sleepForever,
  suppressedErrors,
  TaskLocal,
  TimeoutError,
  withCancelScope,
  withTaskGroup,
  WorkCancelledError,
  type Scope,
} from "../index.ts";
import { addInstrument } from "../lowlevel.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

// --- C7a

test("C7a one object per cancellation is shared by all of the subtree, and is the signals' reason", () =>
  virtually(async () => {
    const errors: unknown[] = [];
    await withCancelScope(async (scope) => {
      await withTaskGroup(async (group) => {
        const signals = [scope.signal, group.signal];
        for (let i = 0; i < 3; i++) {
          group.spawn(() =>
            withCancelScope(async (inner) => {
              signals.push(inner.signal);
              errors.push(await rejection(sleepForever()));
            }),
          );
        }
        await waitAllTasksBlocked();
        scope.cancel();
        errors.push(await rejection(checkpoint()));
        for (const signal of signals) errors.push(signal.reason);
      });
    });
    assert.equal(errors.length, 9);
    assert.ok(errors[0] instanceof CancelledError);
    assert.equal(new Set(errors).size, 1);
  }));

test("C7a each cancellation has an object of its own", () =>
  virtually(async () => {
    const errors = new Set<unknown>();
    for (let i = 0; i < 3; i++) {
      await withCancelScope(async (scope) => {
        scope.cancel();
        errors.add(await rejection(checkpoint()));
      });
    }
    assert.equal(errors.size, 3);
  }));

test("C7a it is recognised by name, code, class and brand, and is an Error", () =>
  virtually(async () => {
    let error: unknown;
    await withCancelScope(async (scope) => {
      scope.cancel("why not");
      error = await rejection(checkpoint());
    });
    assert.ok(error instanceof CancelledError);
    assert.ok(error instanceof Error);
    assert.equal(error.name, "AbortError");
    assert.equal(error.code, "ABORT_ERR");
    assert.equal(isCancelled(error), true);
    assert.match(error.message, /scope' was cancelled \(explicit\): "why not"/);

    const ofAnotherCopy = Object.defineProperty(new Error("x"), Symbol.for("tasktree.CancelledError"), { value: true });
    assert.equal(isCancelled(ofAnotherCopy), true);
    assert.ok(ofAnotherCopy instanceof CancelledError);
    for (const other of [
      new DOMException("aborted", "AbortError"),
      new WorkCancelledError("task"),
      new TimeoutError("late", { deadline: 1 }),
      { name: "AbortError", code: "ABORT_ERR" },
      undefined,
      null,
      "AbortError",
    ]) {
      assert.equal(isCancelled(other), false);
    }
  }));

test("C7a it carries the path of the scope that was cancelled", () =>
  virtually(
    async () => {
      let error: unknown;
      await withTaskGroup((group) =>
        group.spawn(
          () =>
            withCancelScope(
              (scope) =>
                withCancelScope(async () => {
                  scope.cancel();
                  error = await rejection(checkpoint());
                }),
              { name: "upload" },
            ),
          { name: "worker" },
        ),
      );
      assert.ok(error instanceof CancelledError);
      assert.equal(error.scope, "main/worker/upload");
    },
    { name: "main" },
  ));

test("C7a it tells why: explicit, deadline, signal, sibling failed, parent", () =>
  virtually(async () => {
    const why = async (cancel: (scope: Scope) => unknown): Promise<[unknown, unknown]> => {
      let error: unknown;
      await withCancelScope(async (scope) => {
        cancel(scope);
        error = await rejection(sleepForever());
      });
      assert.ok(error instanceof CancelledError);
      return [error.why, error.reason];
    };
    assert.deepEqual(await why((scope) => scope.cancel("enough")), ["explicit", "enough"]);
    assert.deepEqual(await why((scope) => (scope.deadline = now() + 5)), ["deadline", undefined]);

    const errors: CancelledError[] = [];
    const keep = async (): Promise<void> => {
      const error = await rejection(sleepForever());
      assert.ok(error instanceof CancelledError);
      errors.push(error);
    };
    const failure = new Error("sibling");
    await rejection(
      withTaskGroup((group) => {
        group.spawn(keep);
        group.spawn(() => Promise.reject(failure));
      }),
    );
    await withCancelScope(keep, { signal: AbortSignal.abort("left") });
    await withCancelScope(() => {
      // not awaited: it ends with the scope around it
      void withCancelScope(keep);
    });
    assert.deepEqual(
      errors.map((error) => error.why),
      ["sibling failed", "signal", "parent"],
    );
    assert.equal(errors[0]!.reason, failure);
    assert.equal(errors[1]!.reason, "left");
  }));

// --- C7b

test("C7b scope.signal is a real AbortSignal, one per scope", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      assert.ok(scope.signal instanceof AbortSignal);
      assert.equal(scope.signal, scope.signal);
      assert.equal(scope.signal.aborted, false);
      assert.equal(currentSignal(), scope.signal);
      await withCancelScope((inner) => assert.notEqual(inner.signal, scope.signal));
    });
  }));

test("C7b the signal aborts after cancel() has returned, and before the first waiter resumes", () =>
  virtually(async () => {
    const log: string[] = [];
    await withCancelScope(async (scope) => {
      scope.signal.addEventListener("abort", () => log.push("listener"));
      await withTaskGroup(async (group) => {
        for (let i = 0; i < 2; i++) {
          group.spawn(async () => {
            await rejection(sleepForever());
            log.push(scope.signal.aborted ? "waiter" : "waiter before the signal");
          });
        }
        group.signal.addEventListener("abort", () => log.push("inner listener"));
        await waitAllTasksBlocked();
        scope.cancel();
        log.push(scope.signal.aborted ? "aborted" : "cancel returned");
      });
    });
    assert.deepEqual(log, ["cancel returned", "listener", "inner listener", "waiter", "waiter"]);
  }));

test("C7b of two cancellations in one step each aborts its signal before waiters resume", () =>
  virtually(async () => {
    const log: unknown[] = [];
    await withCancelScope(async (outer) => {
      await withCancelScope(async (inner) => {
        outer.signal.addEventListener("abort", () => log.push("outer"));
        inner.signal.addEventListener("abort", () => log.push("inner"));
        queueMicrotask(() => {
          inner.cancel();
          outer.cancel();
        });
        await rejection(sleepForever());
        log.push("waiter");
      });
    });
    assert.deepEqual(log, ["inner", "outer", "waiter"]);
  }));

test("C7b listeners run in the scope's context, wherever the cancellation came from", async () => {
  const user = new TaskLocal({ default: "nobody" });
  const foreign = new AsyncLocalStorage<string>();
  const seen: unknown[] = [];
  let scope!: Scope;
  await virtually(async () => {
    await withTaskGroup(async (group) => {
      group.spawn(() =>
        user.run("ada", () =>
          foreign.run("request 1", () =>
            withCancelScope(async (own) => {
              scope = own;
              own.signal.addEventListener("abort", () => seen.push(currentScope(), user.get()));
              await sleepForever();
            }),
          ),
        ),
      );
      await waitAllTasksBlocked();
      user.run("eve", () => scope.cancel());
    });
  });
  assert.deepEqual(seen, [scope, "ada"]);
});

test("C7b a parent's cancellation aborts the signals inside, with the parent's error", () =>
  virtually(async () => {
    await withCancelScope(async (outer) => {
      await withCancelScope(async (inner) => {
        const { signal } = inner;
        outer.cancel();
        const error = await rejection(checkpoint());
        assert.equal(signal.aborted, true);
        assert.equal(signal.reason, error);
        assert.equal(inner.cancelRequested, false);
      });
    });
  }));

test("C7b a signal that is first asked for when the scope has been cancelled is aborted", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      scope.cancel();
      const { signal } = scope;
      assert.equal(signal.aborted, true);
      assert.equal(signal.reason, await rejection(checkpoint()));
      assert.equal(scope.signal, signal);
    });
  }));

test("C7b the signal of a scope that has ended aborts no more", () =>
  virtually(async () => {
    await withCancelScope(async (outer) => {
      const signal = await withCancelScope((inner) => inner.signal);
      outer.cancel();
      await rejection(checkpoint());
      assert.equal(outer.signal.aborted, true);
      assert.equal(signal!.aborted, false);
    });
  }));

test("C7b a block that cancels its scope and returns in the same step has its signal aborted", () =>
  virtually(async () => {
    let signal!: AbortSignal;
    let events = 0;
    await withCancelScope((scope) => {
      signal = scope.signal;
      signal.onabort = () => events++;
      scope.cancel();
    });
    assert.equal(signal.aborted, true);
    assert.equal(events, 1);
  }));

test("C7b a signal inside a shield aborts when the shield ends", () =>
  virtually(async () => {
    const log: unknown[] = [];
    await withCancelScope(async (scope) => {
      await shield(
        async () => {
          const signal = currentSignal();
          signal.addEventListener("abort", () => log.push(now(), signal.reason));
          scope.cancel();
          await rejection(sleepForever());
          log.push(currentSignal().aborted);
        },
        { timeout: 50 },
      );
      log.push(await rejection(checkpoint()));
    });
    assert.equal(log[0], 50);
    assert.ok(isCancelled(log[1]));
    assert.equal(log[2], true);
    assert.equal(log[3], log[1]);
  }));

test("C7b listeners behave as those of any AbortSignal", () =>
  virtually(async () => {
    const log: unknown[] = [];
    await withCancelScope(async (scope) => {
      const { signal } = scope;
      const named =
        (name: string): (() => void) =>
        () =>
          log.push(name);
      const removed = named("removed");
      const twice = named("added twice, runs once");
      const object = {
        handleEvent(this: unknown, event: Event): void {
          log.push(this === object && event.target === signal ? "handleEvent" : "wrong this or target");
        },
      };
      signal.addEventListener("abort", removed);
      signal.removeEventListener("abort", removed);
      signal.addEventListener("abort", removed, { capture: true });
      signal.removeEventListener("abort", removed, { capture: true });
      signal.addEventListener("abort", twice);
      signal.addEventListener("abort", twice);
      signal.addEventListener("abort", named("once"), { once: true });
      signal.addEventListener("abort", object);
      signal.addEventListener("abort", function (this: AbortSignal, event) {
        log.push(this === signal && event.type === "abort" ? "this is the signal" : "wrong this or type");
      });
      const stop = new AbortController();
      signal.addEventListener("abort", named("removed by its signal"), { signal: stop.signal });
      stop.abort();
      assert.equal(signal.onabort, null);
      signal.onabort = named("replaced");
      const last = named("onabort");
      signal.onabort = last;
      assert.equal(signal.onabort, last);
      scope.cancel();
      await rejection(checkpoint());
      signal.dispatchEvent(new Event("abort"));
    });
    const first = ["added twice, runs once", "once", "handleEvent", "this is the signal", "onabort"];
    assert.deepEqual(log, [...first, ...first.filter((name) => name !== "once")]);
  }));

test("C7b an onabort that was taken back is not called", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      scope.signal.onabort = () => assert.fail("called");
      scope.signal.onabort = null;
      assert.equal(scope.signal.onabort, null);
      scope.cancel();
      await checkpoint();
    });
  }));

test("C7b a listener that is both onabort and added runs twice, and can be taken back on its own", () =>
  virtually(async () => {
    let calls = 0;
    const count = (): void => void calls++;
    await withCancelScope(async (scope) => {
      scope.signal.addEventListener("abort", count);
      scope.signal.onabort = count;
      scope.signal.onabort = null;
      scope.cancel();
      await rejection(checkpoint());
    });
    assert.equal(calls, 1);
  }));

test("C7b AbortSignal.any() follows a scope's signal, with the error as reason", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      const any = AbortSignal.any([new AbortController().signal, scope.signal]);
      scope.cancel();
      const error = await rejection(checkpoint());
      assert.equal(any.aborted, true);
      assert.equal(any.reason, error);
    });
  }));

test("C7b one scope's signal can be given to another", () =>
  virtually(async () => {
    await withTaskGroup(async (group) => {
      let first!: Scope;
      group.spawn(() => withCancelScope((scope) => ((first = scope), sleepForever())));
      await waitAllTasksBlocked();
      const second = group.spawn(() =>
        withCancelScope(
          async () => {
            const error = await rejection(sleepForever());
            assert.ok(error instanceof CancelledError);
            assert.equal(error.why, "signal");
            assert.ok(isCancelled(error.reason));
          },
          { signal: first.signal },
        ),
      );
      await waitAllTasksBlocked();
      first.cancel();
      await second;
    });
  }));

// --- C7c

const failure = new Error("listener");
const fail = (): never => {
  throw failure;
};

const waysToListen: Record<string, (signal: AbortSignal, fail: () => never) => void> = {
  "a function": (signal, fail) => signal.addEventListener("abort", fail),
  "a function, once": (signal, fail) => signal.addEventListener("abort", fail, { once: true }),
  "an object": (signal, fail) => signal.addEventListener("abort", { handleEvent: fail }),
  onabort: (signal, fail) => (signal.onabort = fail),
};

for (const [name, listen] of Object.entries(waysToListen)) {
  test(`C7c an abort listener that throws is a failure of the scope: ${name}`, async () => {
    const uncaught: unknown[] = [];
    const note = (error: unknown): void => void uncaught.push(error);
    process.on("uncaughtException", note);
    try {
      await virtually(async () => {
        let cleaned = false;
        const scopes: Scope[] = [];
        const left = await rejection(
          withCancelScope(async (scope) => {
            scopes.push(scope);
            listen(scope.signal, fail);
            let others = 0;
            scope.signal.addEventListener("abort", () => others++);
            scope.cancel();
            try {
              await checkpoint();
            } finally {
              await sleep(10);
              cleaned = true;
              assert.equal(others, 1);
            }
          }),
        );
        assert.equal(left, failure);
        assert.equal(cleaned, true);
        assert.equal(scopes[0]!.caught, false);
        await checkpoint();
      });
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.off("uncaughtException", note);
    }
    assert.deepEqual(uncaught, []);
  });
}

test("C7c it fails the innermost: a task, a group, or a scope that is only cut from outside", () =>
  virtually(async () => {
    await withTaskGroup(async (group) => {
      const task = group.attempt(async () => {
        currentSignal().addEventListener("abort", fail);
        await sleepForever();
      });
      await waitAllTasksBlocked();
      task.cancel();
      const outcome = await task.outcome();
      assert.equal(outcome.status === "failed" && outcome.error, failure);
    });

    const left = await rejection(
      withTaskGroup(async (group) => {
        group.signal.addEventListener("abort", fail);
        const task = group.spawn(() => sleepForever());
        group.cancel();
        await task;
      }),
    );
    assert.equal(left, failure);

    const outer = await rejection(
      withCancelScope((outer) =>
        withCancelScope(async (inner) => {
          inner.signal.addEventListener("abort", fail);
          outer.cancel();
          await checkpoint();
        }),
      ),
    );
    assert.equal(outer, failure);
  }));

test("C7c a listener that throws fails its scope also where the block returns a value", () =>
  virtually(async () => {
    const left = await rejection(
      withCancelScope((scope) => {
        scope.signal.addEventListener("abort", fail);
        scope.cancel();
        return "value";
      }),
    );
    assert.equal(left, failure);
  }));

test("C7c cleanup is not disturbed by the failure of a listener", () =>
  virtually(async () => {
    let cleaned = false;
    const left = await rejection(
      withCancelScope((outer) =>
        withCancelScope(async (inner) => {
          inner.signal.addEventListener("abort", fail);
          queueMicrotask(() => outer.cancel());
          try {
            await sleepForever();
          } finally {
            await sleep(10);
            cleaned = true;
          }
        }),
      ),
    );
    assert.equal(left, failure);
    assert.equal(cleaned, true);
  }));

test("C7c of several failures the first leaves, and the others are listed on it", () =>
  virtually(async () => {
    const [one, two, three] = [new Error("one"), new Error("two"), new Error("three")];
    const left = await rejection(
      withCancelScope(async (scope) => {
        for (const error of [one, two]) {
          scope.signal.addEventListener("abort", () => {
            throw error;
          });
        }
        scope.cancel();
        await rejection(checkpoint());
        throw three;
      }),
    );
    assert.equal(left, one);
    assert.deepEqual(suppressedErrors(one), [two, three]);
  }));

test("C7c a listener that throws the cancellation itself has not failed", () =>
  virtually(async () => {
    let scope!: Scope;
    const value = await withCancelScope(async (own) => {
      scope = own;
      own.signal.addEventListener("abort", () => own.signal.throwIfAborted());
      own.signal.addEventListener("abort", () => {
        throw new DOMException("aborted", "AbortError");
      });
      own.cancel();
      await checkpoint();
    });
    assert.equal(value, undefined);
    assert.equal(scope.caught, true);
  }));

test("C7c a listener of a scope that has ended fails the task it belongs to", () =>
  virtually(async () => {
    const left = await rejection(
      withTaskGroup(async (group) => {
        const task = group.spawn(async () => {
          const signal = await withCancelScope((scope) => scope.signal);
          signal!.addEventListener("abort", fail);
          signal!.dispatchEvent(new Event("abort"));
          await sleepForever();
        });
        await task.outcome();
      }),
    );
    assert.equal(left, failure);
  }));

// --- C7d

test("C7d in an unwinding node currentSignal() is not aborted, and aborts at the cut-off", () =>
  virtually(async () => {
    await withCancelScope(
      async (scope) => {
        scope.cancel();
        const error = await rejection(checkpoint());
        const signal = currentSignal();
        assert.equal(scope.signal.aborted, true);
        assert.equal(signal.aborted, false);
        assert.equal(currentSignal(), signal);
        let at = NaN;
        signal.addEventListener("abort", () => (at = now()));
        await rejection(sleepForever());
        assert.equal(at, 100);
        assert.equal(signal.reason, error);
        assert.equal(currentSignal().aborted, true);
      },
      { grace: 100 },
    );
  }));

test("C7d a signal taken before the cancellation is aborted by it, whatever the node's state", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      const before = currentSignal();
      scope.cancel();
      await rejection(checkpoint());
      assert.equal(before.aborted, true);
      assert.equal(currentSignal().aborted, false);
    });
  }));

test("C7d a scope opened while unwinding has a signal of its own, which a bound in cleanup aborts", () =>
  virtually(async () => {
    const log: unknown[] = [];
    await withCancelScope(async (scope) => {
      scope.cancel();
      try {
        await checkpoint();
      } finally {
        await rejection(
          moveOnAfter(50, async (bound) => {
            assert.equal(bound.signal.aborted, false);
            assert.equal(currentSignal().aborted, false);
            currentSignal().addEventListener("abort", () => log.push(now()));
            await sleepForever();
          }),
        );
      }
    });
    assert.deepEqual(log, [50]);
  }));

test("C7d a later cancellation further in aborts the signal of cleanup, and gives a new one", () =>
  virtually(async () => {
    await withCancelScope(async (outer) => {
      await rejection(
        withCancelScope(async (inner) => {
          outer.cancel();
          await rejection(checkpoint());
          const first = currentSignal();
          inner.cancel();
          await rejection(checkpoint());
          assert.equal(first.aborted, true);
          assert.equal(currentSignal().aborted, false);
          await checkpoint();
          throw outer.signal.reason;
        }),
      );
    });
  }));

test("C7d a signal asked for in the very step of a later cancellation is not the one that is about to abort", () =>
  virtually(async () => {
    await withCancelScope(async (outer) => {
      await rejection(
        withCancelScope(async (inner) => {
          outer.cancel();
          await rejection(checkpoint());
          const first = currentSignal();
          const wait = rejection(sleepForever());
          // its wait is cut, so the node is told: from here on it unwinds anew
          inner.cancel();
          const second = currentSignal();
          await wait;
          assert.equal(first.aborted, true);
          assert.equal(second.aborted, false);
          throw outer.signal.reason;
        }),
      );
    });
  }));

async function withServer<T>(
  handler: Parameters<typeof createServer>[1],
  use: (url: string, server: Server) => Promise<T>,
): Promise<T> {
  const server = createServer(handler);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, server);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test("C7d fetch in a finally works until the cut-off", () =>
  withServer(
    (_request, response) => void response.end("released"),
    (url) =>
      run(
        async () => {
          let text = "";
          await withCancelScope(async (scope) => {
            scope.cancel();
            try {
              await fetch(url, { signal: currentSignal() });
            } finally {
              await rejection(checkpoint());
              text = await (await fetch(url, { signal: currentSignal() })).text();
            }
          });
          assert.equal(text, "released");
        },
        { host: false },
      ),
  ));

test("C7d a fetch in a finally is ended by the cut-off, with the error", () =>
  withServer(
    () => {},
    (url) =>
      virtually(
        async () => {
          let thrown: unknown;
          await withCancelScope(async (scope) => {
            scope.cancel();
            const error = await rejection(checkpoint());
            thrown = await rejection(fetch(url, { signal: currentSignal() }));
            assert.equal(thrown, error);
            throw thrown;
          });
          assert.ok(isCancelled(thrown));
        },
        { grace: 50 },
      ),
  ));

// --- C7e

/** A controller whose signal tells how many listeners it has. */
function counted(): { controller: AbortController; listeners: () => number } {
  const controller = new AbortController();
  const { signal } = controller;
  let listeners = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = function counting(this: AbortSignal, ...args: unknown[]): void {
    listeners++;
    addEventListener.apply(this, args as never);
  };
  signal.removeEventListener = function counting(this: AbortSignal, ...args: unknown[]): void {
    listeners--;
    removeEventListener.apply(this, args as never);
  };
  return { controller, listeners: () => listeners };
}

test("C7e 10,000 scopes share one listener on a foreign signal, and all are cancelled by it", () =>
  virtually(async () => {
    const { controller, listeners } = counted();
    const { signal } = controller;
    let cut = 0;
    await withTaskGroup(async (group) => {
      for (let i = 0; i < 10_000; i++) {
        group.spawn(() => withCancelScope(() => sleepForever().finally(() => cut++), { signal }));
      }
      await waitAllTasksBlocked();
      assert.equal(listeners(), 1);
      controller.abort();
    });
    assert.equal(cut, 10_000);
  }));

test("C7e the link is gone when the scope has ended, and the others' stay", () =>
  virtually(async () => {
    const { controller, listeners } = counted();
    const { signal } = controller;
    const cancelled: Scope[] = [];
    const stop = addInstrument({ scopeCancelled: (scope) => cancelled.push(scope) });
    await withTaskGroup(async (group) => {
      let living!: Scope;
      group.spawn(() => withCancelScope((scope) => ((living = scope), sleepForever()), { signal }));
      const ended: Scope[] = [];
      for (let i = 0; i < 1000; i++) {
        await withCancelScope((scope) => void ended.push(scope), { signal });
        await withTaskGroup((group) => void ended.push(group), { signal });
      }
      assert.ok(listeners() <= 1);
      controller.abort();
      assert.deepEqual(cancelled, [living]);
      for (const scope of ended) assert.equal(scope.cancelRequested, false);
    });
    stop();
  }));

test("C7e a foreign signal that has aborted cancels at once, and gets no listener", () =>
  virtually(async () => {
    const { controller, listeners } = counted();
    const reason = new Error("left");
    controller.abort(reason);
    await withCancelScope(
      async (scope) => {
        assert.equal(scope.cancelRequested, true);
        const error = await rejection(checkpoint());
        assert.ok(error instanceof CancelledError);
        assert.equal(error.reason, reason);
      },
      { signal: controller.signal },
    );
    assert.equal(listeners(), 0);
  }));

test("C7e a scope opened by a listener of the signal, while it aborts, is cancelled too", () =>
  virtually(async () => {
    const controller = new AbortController();
    const { signal } = controller;
    let late: Promise<unknown> | undefined;
    const open = (): void => {
      late = withCancelScope(() => checkpoint().then(() => "went on"), { signal });
    };
    await withTaskGroup(async (group) => {
      signal.addEventListener("abort", open);
      group.spawn(() => withCancelScope(sleepForever, { signal }));
      await waitAllTasksBlocked();
      controller.abort();
    });
    assert.notEqual(late, undefined);
    assert.equal(await late, undefined);
  }));

test("C7e AbortSignal.timeout() and AbortSignal.any() can cancel a scope", () =>
  run(
    async () => {
      const controller = new AbortController();
      for (const signal of [AbortSignal.timeout(1), AbortSignal.any([controller.signal, AbortSignal.timeout(1)])]) {
        let error: unknown;
        await withCancelScope(
          async () => {
            error = await rejection(sleepForever());
            throw error;
          },
          { signal },
        );
        assert.ok(error instanceof CancelledError);
        assert.equal((error.reason as DOMException).name, "TimeoutError");
      }
    },
    { host: false },
  ));
