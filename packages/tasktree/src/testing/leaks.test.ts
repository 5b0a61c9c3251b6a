import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import timersPromises from "node:timers/promises";
import { test } from "node:test";
import { runInThisContext } from "node:vm";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  abandonOnCancel,
  CancelledError,
  currentSignal,
  moveOnAfter,
  openTaskGroup,
  outside,
  run,
  sleep,
  sleepForever,
  StuckTaskError,
  suppressedErrors,
  withCancelScope,
  withTaskGroup,
} from "../index.ts";
import { LeakError, runVirtual, withLeakCheck, type RunVirtualOptions } from "./index.ts";

/** What `main` leaves over. */
async function leaksOf(main: () => unknown, options: RunVirtualOptions = {}): Promise<readonly string[]> {
  const error = await rejection(runVirtual(main, options));
  assert.ok(error instanceof LeakError, String(error));
  return error.leaks;
}

function ignore(): void {}
function another(): void {}

for (const platform of [false, true]) {
  const time = platform ? "virtual" : "real";

  test(`a run that leaves a timer of ${time} time set fails, and names it`, async () => {
    const timers: NodeJS.Timeout[] = [];
    const main = () =>
      withTaskGroup((group) => {
        group.spawn(
          async () => {
            timers.push(setTimeout(ignore, 5000), setInterval(ignore, 60_000));
            await sleep(1);
          },
          { name: "worker" },
        );
      });
    const leaks = await leaksOf(main, { platform });
    for (const timer of timers) clearTimeout(timer);
    assert.deepEqual(leaks, [
      "setTimeout of 5000 ms, made in 'main/worker'",
      "setInterval of 60000 ms, made in 'main/worker'",
    ]);
  });

  test(`timers of ${time} time that are over, cleared, disposed of or without ref are no leak`, async () => {
    await runVirtual(
      async () => {
        clearTimeout(setTimeout(ignore, 5000));
        clearInterval(Number(setInterval(ignore, 5000)));
        setTimeout(ignore, 5000)[Symbol.dispose]();
        setTimeout(ignore, 5000).unref();
        await new Promise((resolve) => setTimeout(resolve, 5));
        await timersPromises.setTimeout(5);
        const controller = new AbortController();
        const cut = timersPromises.setTimeout(5000, undefined, { signal: controller.signal });
        controller.abort();
        await assert.rejects(cut, { name: "AbortError" });
      },
      { platform },
    );
  });

  test(`a promise of a timer of ${time} time that nobody awaits is a leak`, async () => {
    const controller = new AbortController();
    const main = () => {
      timersPromises.setTimeout(5000, undefined, { signal: controller.signal }).catch(ignore);
    };
    const leaks = await leaksOf(main, { platform });
    controller.abort();
    assert.equal(leaks[0], "setTimeout of node:timers/promises, of 5000 ms, made in 'main'");
  });
}

test("many timers that are over are not kept in mind", async () => {
  const leaks = await leaksOf(
    () => {
      for (let count = 0; count < 1000; count++) clearTimeout(setTimeout(ignore, 5000));
      setTimeout(ignore, 77);
    },
    { platform: true },
  );
  assert.deepEqual(leaks, ["setTimeout of 77 ms, made in 'main'"]);
});

test("an abort listener that is left on a signal from outside is a leak", async () => {
  const { signal } = new AbortController();
  const main = () => {
    signal.addEventListener("abort", ignore);
    signal.addEventListener("abort", another);
    signal.removeEventListener("abort", another);
  };
  assert.deepEqual(await leaksOf(main), ["a listener on an abort signal that lives on, made in 'main'"]);
});

test("abort listeners are no leak where the signal is gone, has aborted, or belongs to a scope that has ended", async () => {
  const aborted = new AbortController();
  await runVirtual(async () => {
    new AbortController().signal.addEventListener("abort", ignore);
    aborted.signal.addEventListener("abort", ignore);
    aborted.abort();
    currentSignal().addEventListener("abort", ignore);
    await withCancelScope(() => sleep(1), { signal: new AbortController().signal });
  });
});

test("a scope that follows a signal from outside leaves no listener on it", async () => {
  const { signal } = new AbortController();
  await runVirtual(() => withCancelScope(() => sleep(1), { signal }));
});

test("a promise that was abandoned and has not settled is a leak; one that has is none", async () => {
  const main = (promise: Promise<unknown>) => () => moveOnAfter(10, () => abandonOnCancel(promise));
  const never = new Promise(ignore);
  assert.deepEqual(await leaksOf(main(never)), [
    "a foreign promise that 'main/scope' has stopped waiting for and that has not settled",
  ]);
  const { promise, resolve } = Promise.withResolvers<void>();
  await runVirtual(async () => {
    await main(promise)();
    resolve();
  });
});

test("a task group that was opened and not closed is a leak", async () => {
  const opened = "which was opened inside and not awaited: it is cancelled";
  const main = () => void openTaskGroup({ name: "pool" }).spawn(sleepForever);
  assert.deepEqual(await leaksOf(main), [`'main' ended before 'main/pool', ${opened}`]);
  const atRoot = () => void openTaskGroup({ name: "pool", parent: "root" }).spawn(sleepForever);
  assert.deepEqual(await leaksOf(atRoot), [`'root' ended before 'pool', ${opened}`]);
  await runVirtual(async () => {
    await using pool = openTaskGroup({ name: "pool" });
    pool.spawn(sleepForever);
  });
});

test("code that runs on after the end of its task is a leak", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const main = () =>
    withTaskGroup(async (group) => {
      const task = group.spawn(
        () => {
          void promise.then(() => sleep(1));
        },
        { name: "sloppy" },
      );
      await task;
      resolve();
      await sleep(5);
    });
  assert.deepEqual(await leaksOf(main), [
    "Code of 'main/sloppy' runs on after its end: it counts as part of 'main/group'",
  ]);
});

test("a task that was given up is a leak, though its error was caught", async () => {
  const main = () =>
    withTaskGroup(async (group) => {
      group.spawn(() => new Promise(ignore), { name: "deaf" });
      await sleep(1);
      group.cancel();
    }).catch((error: unknown) => assert.ok(error instanceof StuckTaskError));
  const leaks = await leaksOf(main, { onStuck: "abandon", grace: 10 });
  assert.deepEqual(leaks, ["task 'main/deaf' was given up, and may still run"]);
});

test("what a callback without a context begins, and does not end, is a leak", async () => {
  const emitter = new EventEmitter();
  emitter.on("go", () => void withTaskGroup(() => stopped.promise, { name: "foreign" }));
  const stopped = Promise.withResolvers<void>();
  const { promise, resolve } = Promise.withResolvers<void>();
  void promise.then(() => emitter.emit("go"));
  const main = async () => {
    resolve();
    await sleep(1);
  };
  assert.deepEqual(await leaksOf(main), ["'foreign', which was begun outside of every run meanwhile and goes on"]);
  stopped.resolve();
});

test("in debug mode a leak tells where it was made", async () => {
  // Only places outside of the library's source count.
  const code = "(set, fn) => void set(fn, 5000)";
  const set = runInThisContext(code, { filename: "/app/worker.js" }) as (
    set: typeof setTimeout,
    fn: () => void,
  ) => void;
  const leaks = await leaksOf(() => set(setTimeout, ignore), { platform: true, debug: true });
  assert.match(leaks[0]!, /^setTimeout of 5000 ms, made in 'main' \(.*worker\.js/);
});

test("what main throws comes as it is, with the leaks suppressed on it; a primitive comes with them in one error", async () => {
  const error = new Error("boom");
  const main = (thrown: unknown) => () => {
    setTimeout(ignore, 5000);
    throw thrown;
  };
  assert.equal(await rejection(runVirtual(main(error), { platform: true })), error);
  assert.ok(suppressedErrors(error)[0] instanceof LeakError);
  const both = (await rejection(runVirtual(main("no error"), { platform: true }))) as AggregateError;
  assert.equal(both.errors[0], "no error");
  assert.ok(both.errors[1] instanceof LeakError);
});

test("with leaks: false a run may leave things over", async () => {
  let timer: NodeJS.Timeout | undefined;
  await runVirtual(() => void (timer = setTimeout(ignore, 5000)), { leaks: false });
  clearTimeout(timer);
  let fired = false;
  await runVirtual(() => void setTimeout(() => (fired = true), 5), { leaks: false, platform: true });
  await timersPromises.setTimeout(20);
  assert.equal(fired, false);
});

test("withLeakCheck() gives the value of its function when that has left nothing", async () => {
  await virtually(async () => {
    assert.equal(await withLeakCheck(() => 42), 42);
    const slow = async () => {
      await sleep(10);
      return 43;
    };
    assert.equal(await withLeakCheck(slow), 43);
  });
  assert.equal(await withLeakCheck(() => 44), 44);
});

test("withLeakCheck() looks at what is inside of it, and at nothing else", async () => {
  let timer: NodeJS.Timeout | undefined;
  await virtually(async () => {
    await withTaskGroup(async (group) => {
      group.spawn(async () => {
        await sleep(1);
        timer = setTimeout(ignore, 5000);
      });
      await withLeakCheck(() => sleep(5));
      clearTimeout(timer);
      const error = await rejection(
        withLeakCheck(() => outside(() => undefined) ?? void (timer = setTimeout(ignore, 5000))),
      );
      clearTimeout(timer);
      assert.deepEqual((error as LeakError).leaks, ["setTimeout of 5000 ms, made in 'main/leak check'"]);
    });
  });
});

test("withLeakCheck(): virtual time stands still while it looks", async () => {
  const { signal } = new AbortController();
  const forgetful = () => {
    setTimeout(ignore, 1);
    // To look for who has the signal takes some turns.
    signal.addEventListener("abort", ignore);
  };
  const main = () =>
    withTaskGroup(async (group) => {
      group.spawn(() => sleep(1000));
      const error = (await rejection(withLeakCheck(forgetful))) as LeakError;
      assert.equal(error.leaks[0], "setTimeout of 1 ms, made in 'main/leak check'");
    });
  await runVirtual(main, { platform: true, leaks: false });
});

test("a timer that is left when main has ended does not go off while the run ends", async () => {
  const uncounted = globalThis.setImmediate;
  for (const turns of [0, 1, 2]) {
    let fired = false;
    const main = async () => {
      setTimeout(() => (fired = true), 5000);
      for (let turn = 0; turn < turns; turn++) await new Promise<void>((resolve) => void uncounted(() => resolve()));
    };
    assert.deepEqual(await leaksOf(main, { platform: true }), ["setTimeout of 5000 ms, made in 'main'"]);
    assert.equal(fired, false);
  }
});

test("withLeakCheck() works outside of every run", async () => {
  let timer: NodeJS.Timeout | undefined;
  const error = await rejection(withLeakCheck(() => void (timer = setTimeout(ignore, 5000))));
  clearTimeout(timer);
  assert.ok(error instanceof LeakError);
});

test("C3c withLeakCheck() in a cancelled scope calls its function, whose first checkpoint throws", async () => {
  await virtually(async () => {
    let called = false;
    await withCancelScope(async (scope) => {
      scope.cancel();
      const checking = withLeakCheck(async () => {
        called = true;
        await sleep(1);
      });
      await assert.rejects(checking, CancelledError);
    });
    assert.equal(called, true);
  });
});

test("withLeakCheck() cut while its function waits passes the cancellation on, with what was left suppressed", async () => {
  await run(
    async () => {
      let timer: NodeJS.Timeout | undefined;
      let error: unknown;
      await moveOnAfter(5, async () => {
        error = await rejection(
          withLeakCheck(async () => {
            timer = setTimeout(ignore, 60_000);
            await sleepForever();
          }),
        );
        throw error;
      });
      clearTimeout(timer);
      assert.ok(error instanceof CancelledError);
      assert.ok(suppressedErrors(error)[0] instanceof LeakError);
    },
    { host: false },
  );
});

test("LeakError lists every leak in its message", () => {
  const error = new LeakError(["a timer", "a listener"]);
  assert.deepEqual(
    [error.name, error.code, error.message],
    ["LeakError", "TASKTREE_LEAK", "Left over when everything had ended: 2\n- a timer\n- a listener"],
  );
});
