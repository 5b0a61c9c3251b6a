import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";
import { virtually } from "../../test/virtual.ts";
import {
  checkpoint,
  currentScope,
  currentTask,
  DeadlockError,
  InvalidStateError,
  now,
  openTaskGroup,
  outside,
  run,
  runMain,
  sleep,
  sleepForever,
  suppressedErrors,
  TaskLocal,
  withCancelScope,
  withTaskGroup,
  WorkCancelledError,
} from "../index.ts";
import { addInstrument } from "../lowlevel.ts";
import { VirtualClock, waitAllTasksBlocked } from "../testing/index.ts";

const events = ["SIGINT", "SIGTERM", "beforeExit", "unhandledRejection", "uncaughtException"] as const;

function listeners(): Record<string, number> {
  return Object.fromEntries(events.map((event) => [event, process.listenerCount(event)]));
}

/** How many listeners more than `before`. */
function added(before: Record<string, number>): number[] {
  return events.map((event) => process.listenerCount(event) - before[event]!);
}

test("R1a run() gives main's value, returned or promised", async () => {
  assert.equal(await run(() => 1, { host: false }), 1);
  assert.equal(await run(async () => (await sleep(1), "later"), { host: false }), "later");
});

test("R1a run() rejects with the very error that main threw, at once or later", async () => {
  const error = new Error("main");
  const thrower = () => {
    throw error;
  };
  await assert.rejects(run(thrower, { host: false }), (thrown) => thrown === error);
  const later = async () => {
    await sleep(1);
    throw error;
  };
  await assert.rejects(run(later, { host: false }), (thrown) => thrown === error);
});

test("R1a run() calls main as a task of the given name", async () => {
  const seen = await virtually(() => [currentTask()?.name, currentTask()?.path], { name: "server" });
  assert.deepEqual(seen, ["server", "server"]);
  assert.equal(await virtually(() => currentTask()?.name), "main");
});

test("R1a run() calls main before it returns, as spawn does", () => {
  let called = false;
  void run(() => (called = true), { host: false });
  assert.ok(called);
});

test("R1a run() cancels what main left open, and waits for its cleanup", async () => {
  let cleaned = false;
  const worker = async () => {
    try {
      await sleepForever();
    } finally {
      await sleep(1000);
      cleaned = true;
    }
  };
  for (const parent of ["scope", "root"] as const) {
    cleaned = false;
    const value = await virtually(() => {
      openTaskGroup({ parent }).spawn(worker);
      return 42;
    });
    assert.equal(value, 42);
    assert.ok(cleaned, parent);
  }
});

test("R1a run() also waits when main fails, and rejects with main's error first", async () => {
  const error = new Error("main");
  const late = new Error("cleanup");
  const main = () => {
    openTaskGroup({ parent: "root" }).spawn(async () => {
      try {
        await sleepForever();
      } finally {
        await sleep(10);
        throw late;
      }
    });
    throw error;
  };
  await assert.rejects(virtually(main), (thrown) => {
    assert.equal(thrown, error);
    assert.deepEqual(suppressedErrors(error), [late]);
    return true;
  });
});

test("R1a a failure that nobody awaited in a group of the root rejects the run, whose main is cancelled", async () => {
  const error = new Error("background");
  let cancelled = false;
  const main = async () => {
    const pool = openTaskGroup({ parent: "root" });
    pool.spawn(async () => {
      await sleep(10);
      throw error;
    });
    try {
      await sleepForever();
    } finally {
      cancelled = true;
    }
  };
  await assert.rejects(virtually(main), (thrown) => thrown === error);
  assert.ok(cancelled);
});

test("R1a run() takes back what it installed, whether main returns, throws, or is cancelled", async () => {
  const before = listeners();
  const mains = [
    () => sleep(1),
    () => {
      throw new Error("main");
    },
    async () => {
      outside(() => currentScope().cancel());
      await sleepForever();
    },
  ];
  for (const main of mains) {
    const running = run(main, { host: true });
    assert.deepEqual(added(before), [1, 1, 1, 1, 1]);
    await running.catch(() => undefined);
    assert.deepEqual(added(before), [0, 0, 0, 0, 0]);
  }
});

test("R1a run() that refuses its arguments has installed nothing", async () => {
  const before = listeners();
  await assert.rejects(run(undefined as unknown as () => void), TypeError);
  await assert.rejects(run(Promise.resolve() as unknown as () => void), /already started/);
  await assert.rejects(
    run(() => 1, { grace: -1 }),
    RangeError,
  );
  await assert.rejects(
    run(() => 1, { grace: Number.NaN }),
    RangeError,
  );
  await assert.rejects(
    run(() => 1, { drainMs: Number.NaN }),
    RangeError,
  );
  await assert.rejects(
    run(() => 1, { onStuck: "ignore" as "wait" }),
    TypeError,
  );
  assert.deepEqual(added(before), [0, 0, 0, 0, 0]);
});

test("R1a a drainMs that is no time is refused by name, before anything is installed", async () => {
  const before = listeners();
  for (const [drainMs, type, shown] of [
    [-1, "RangeError", /^Cannot use -1 as drainMs/],
    [-Infinity, "RangeError", /^Cannot use -Infinity as drainMs/],
    [Number.NaN, "RangeError", /NaN.*drainMs/],
    ["10" as never, "TypeError", /"10".*drainMs/],
  ] as const) {
    const call = () => assert.fail("called");
    await assert.rejects(run(call, { drainMs }), { name: type, message: shown });
  }
  assert.deepEqual(added(before), [0, 0, 0, 0, 0]);
  assert.equal(await run(() => 1, { drainMs: 0, host: false }), 1);
});

test("R1a run() inside a task is an InvalidStateError, at any depth, and leaves the task alone", async () => {
  let called = false;
  const inner = () => run(() => (called = true));
  await virtually(async () => {
    await assert.rejects(inner(), InvalidStateError);
    await withCancelScope(() => assert.rejects(inner(), InvalidStateError));
    await withTaskGroup(async (group) => {
      await group.spawn(() => assert.rejects(inner(), InvalidStateError));
    });
    await outside(() => assert.rejects(inner(), InvalidStateError));
    await checkpoint();
  });
  assert.equal(called, false);
});

test("R1a X1a run() works where a task local is set, and main sees its value", async () => {
  const local = new TaskLocal({ default: "none" });
  assert.equal(await local.run("outer", () => virtually(() => local.get())), "outer");
});

test("R1a run() may be called again in the same process, also while another runs", async () => {
  assert.equal(await virtually(() => 1), 1);
  const order: string[] = [];
  const main = (name: string, ms: number) => async () => {
    await sleep(ms);
    order.push(name);
  };
  await Promise.all([virtually(main("slow", 20)), virtually(main("quick", 10))]);
  assert.equal(order.length, 2);
});

test("R1a two runs are two trees: cancelling one leaves the other alone", async () => {
  const other = virtually(async () => (await sleep(100), "fine"));
  await assert.rejects(
    virtually(async () => {
      outside(() => currentScope().cancel());
      await sleepForever();
    }),
    WorkCancelledError,
  );
  assert.equal(await other, "fine");
});

test("R1b only the first run owns the process, until it ends; then the next does", async () => {
  const before = listeners();
  const first = Promise.withResolvers<void>();
  const second = Promise.withResolvers<void>();
  const firstRun = run(() => first.promise);
  assert.deepEqual(added(before).slice(0, 3), [1, 1, 1]);
  const secondRun = run(() => second.promise);
  assert.deepEqual(added(before).slice(0, 3), [1, 1, 1]);
  second.resolve();
  await secondRun;
  assert.deepEqual(added(before), [1, 1, 1, 1, 1]);
  first.resolve();
  await firstRun;
  assert.deepEqual(added(before), [0, 0, 0, 0, 0]);
  const third = run(() => sleep(1));
  assert.deepEqual(added(before).slice(0, 3), [1, 1, 1]);
  await third;
});

test("R1b a run with host: false, or with a clock of its own, does not own the process", async () => {
  const before = listeners();
  const runs = [run(() => sleep(1), { host: false }), run(() => sleep(1), { clock: new VirtualClock() })];
  assert.deepEqual(added(before).slice(0, 3), [0, 0, 0]);
  await Promise.all(runs);
});

test("R2a when the root was cancelled before main returned run() rejects with WorkCancelledError, else main's value stands", async () => {
  const cancelled = virtually(async () => {
    outside(() => currentScope().cancel("enough"));
    await sleepForever();
  });
  await assert.rejects(cancelled, (error) => {
    assert.ok(error instanceof WorkCancelledError);
    assert.equal((error.cause as { reason?: unknown }).reason, "enough");
    return true;
  });
  const stubborn = virtually(async () => {
    outside(() => currentScope().cancel());
    await sleepForever().catch(() => undefined);
    return "stands";
  });
  assert.equal(await stubborn, "stands");
});

test("R3a in debug mode a tree in which nothing moves is reported, and not cancelled", async (t) => {
  const told: string[] = [];
  t.mock.method(console, "error", (text: string) => told.push(text));
  const clock = new VirtualClock({ autoJump: false });
  const gate = Promise.withResolvers<void>();
  const running = run(
    async () => {
      await withTaskGroup((group) => {
        group.spawn(() => gate.promise, { name: "waiter" });
      });
      return "went on";
    },
    { clock, host: true, debug: true },
  );
  await clock.advance(4000);
  assert.deepEqual(told, []);
  await clock.advance(20_000);
  assert.equal(told.length, 1);
  assert.match(told[0]!, /nothing has moved/);
  assert.match(told[0]!, /waiter waits for something that tasktree does not know/);
  gate.resolve();
  assert.equal(await running, "went on");
});

test("R3a in debug mode a tree that sleeps, works, or has no tasks left is not reported", async (t) => {
  const told = t.mock.method(console, "error", () => undefined);
  const clock = new VirtualClock({ autoJump: false });
  const running = run(() => sleep(60_000), { clock, host: true, debug: true });
  await clock.advance(60_000);
  await running;
  assert.equal(told.mock.callCount(), 0);
});

test("addInstrument() tells what happens on this run's tree, until it is taken back", async () => {
  const seen: string[] = [];
  await virtually(async () => {
    const remove = addInstrument({
      taskSpawned: (task) => seen.push(`spawned ${task.name}`),
      taskEnded: (task, outcome) => seen.push(`${task.name} ${outcome.status}`),
      scopeCancelled: (scope, error) => seen.push(`cancelled ${scope.name} (${error.why})`),
    });
    await withTaskGroup(async (group) => {
      group.spawn(async () => 1, { name: "one" });
      const two = group.spawn(sleepForever, { name: "two" });
      await waitAllTasksBlocked();
      two.cancel();
    });
    remove();
    await withTaskGroup((group) => void group.spawn(() => 1, { name: "three" }));
  });
  assert.deepEqual(seen, ["spawned one", "spawned two", "one ok", "cancelled two (explicit)", "two cancelled"]);
});

test("an instrument that throws is told on the console, and harms nobody", async (t) => {
  const told = t.mock.method(console, "error", () => undefined);
  const instruments = [
    {
      taskSpawned() {
        throw new Error("instrument");
      },
    },
  ];
  assert.equal(await virtually(() => 1, { instruments }), 1);
  assert.equal(told.mock.callCount(), 1);
});

test("R1a the run's clock is the one that was given, and main sees other libraries' context", async () => {
  const storage = new AsyncLocalStorage<string>();
  const clock = new VirtualClock({ start: 1000 });
  const seen = await storage.run("request", () =>
    run(async () => (await sleep(500), [now(), storage.getStore()]), { clock }),
  );
  assert.deepEqual(seen, [1500, "request"]);
});

test("R2c runMain() gives the value, and prints a failure once", async (t) => {
  const told = t.mock.method(console, "error", () => undefined);
  assert.equal(await runMain(() => 7, { host: false }), 7);
  const { exitCode } = process;
  const error = new Error("main");
  try {
    const failing = () => {
      throw error;
    };
    assert.equal(await runMain(failing, { host: false }), undefined);
    assert.equal(process.exitCode, 1);
    assert.deepEqual(
      told.mock.calls.map((call) => call.arguments),
      [[error]],
    );
    process.exitCode = 130;
    await runMain(failing, { host: false });
    assert.equal(process.exitCode, 130);
  } finally {
    process.exitCode = exitCode ?? 0; // Bun does not take undefined back
  }
});

test("R3b DeadlockError carries its report", () => {
  assert.equal(new DeadlockError("Deadlock", { report: "main waits" }).report, "main waits");
});

test("what is no object with options, no clock, no instruments is refused by name", async () => {
  const wrong: [() => unknown, RegExp][] = [
    [() => run(() => 1, null as never), /^Cannot run with null: wanted an object with options$/],
    [() => run(() => 1, { clock: {} as never }), /^Cannot use an object \(Object\) as clock: /],
    [() => run(() => 1, { instruments: {} as never }), /^Cannot use an object \(Object\) as instruments: /],
    [() => withCancelScope(() => 1, null as never), /^Cannot open a scope in 'root' with null: /],
    [() => withTaskGroup(() => 1, 7 as never), /^Cannot open a scope in 'root' with 7: /],
    [async () => openTaskGroup("name" as never), /^Cannot open a group in 'root' with "name": /],
    [
      () => withTaskGroup((group) => void group.spawn(() => 1, "name" as never)),
      /with "name": wanted an object with options$/,
    ],
  ];
  for (const [call, message] of wrong)
    await assert.rejects(call as () => Promise<unknown>, { name: "TypeError", message });
});
