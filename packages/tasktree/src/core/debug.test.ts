/** What debug mode tells on the console. Where it names lines of the program is tested in host.test.ts, by a program. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { virtually } from "../../test/virtual.ts";
import {
  abandonOnCancel,
  failAfter,
  moveOnAfter,
  openTaskGroup,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
  type RunOptions,
} from "../index.ts";
import { VirtualClock } from "../testing/index.ts";

/** Runs `main` in debug mode; gives what was told meanwhile. */
async function toldBy(t: TestContext, main: () => unknown, options: RunOptions = {}): Promise<string[]> {
  const error = t.mock.method(console, "error", () => undefined);
  try {
    await virtually(main, { debug: true, ...options }).catch(() => undefined);
    return error.mock.calls.map((call) => call.arguments.map(String).join(" "));
  } finally {
    error.mock.restore();
  }
}

test("R4 nothing is told of a program that is in order", async (t) => {
  const main = async () => {
    await withTaskGroup((group) => {
      for (let ms = 0; ms < 5; ms++) group.spawn(() => sleep(ms));
    });
    await moveOnAfter(5, sleepForever);
    await failAfter(5, sleepForever).catch(() => undefined);
    await withCancelScope(async (scope) => {
      scope.cancel();
      await sleep(1);
    });
  };
  assert.deepEqual(await toldBy(t, main), []);
});

test("R4 nothing is told when debug mode is off", async (t) => {
  const main = async () => {
    await moveOnAfter(5, () => sleepForever().catch(() => "swallowed"));
    await withCancelScope(() => void openTaskGroup().spawn(sleepForever));
  };
  assert.deepEqual(await toldBy(t, main, { debug: false }), []);
});

test("R4 a swallowed cancellation is told, with the scope's name", async (t) => {
  const deadline = () =>
    moveOnAfter(5, async function fetchPage() {
      await sleepForever().catch(() => undefined);
      return "value";
    });
  const [told, ...more] = await toldBy(t, deadline);
  assert.match(told!, /fetchPage/);
  assert.deepEqual(more, []);
});

test("R4 D2 code that swallows a deadline and returns is told", async (t) => {
  const main = () => failAfter(5, async () => (await sleepForever().catch(() => undefined), 1));
  assert.equal((await toldBy(t, main)).length, 1);
});

test("R4 a suppressed error is told, with the group's path", async (t) => {
  const main = () =>
    withTaskGroup(
      (group) => {
        group.spawn(async () => {
          await sleep(1);
          throw new Error("first");
        });
        group.spawn(async () => {
          try {
            await sleepForever();
          } finally {
            throw new Error("second");
          }
        });
      },
      { name: "workers" },
    );
  const told = await toldBy(t, main);
  assert.equal(told.length, 1);
  assert.match(told[0]!, /main\/workers/);
  assert.match(told[0]!, /second/);
});

test("R4 C10a a stuck task is told, with what it waits for", async (t) => {
  const clock = new VirtualClock({ autoJump: false });
  const gate = Promise.withResolvers<void>();
  const main = () =>
    moveOnAfter(1, () =>
      withTaskGroup((group) => {
        group.spawn(() => gate.promise, { name: "deaf" });
        setImmediate(() => void clock.advance(1000).then(gate.resolve));
      }),
    );
  const told = (await toldBy(t, main, { grace: 10, clock })).join("\n");
  assert.match(told, /'main\/deaf' .*has not ended/);
  assert.match(told, /waits for something that tasktree does not know/);
});

test("R4 a foreign promise that is left alone is told", async (t) => {
  const main = () => moveOnAfter(1, () => abandonOnCancel(new Promise(() => {})));
  const told = await toldBy(t, main);
  assert.equal(told.length, 1);
  assert.match(told[0]!, /'main\/scope'|'main'/);
  assert.match(told[0]!, /foreign promise/);
});

test("R4 what is left behind when its scope ends is told", async (t) => {
  const main = () =>
    withCancelScope(() => void openTaskGroup({ name: "pool" }).spawn(sleepForever), { name: "request" });
  const told = await toldBy(t, main);
  assert.equal(told.length, 1);
  assert.match(told[0]!, /main\/request/);
  assert.match(told[0]!, /main\/request\/pool/);
});

test("R4 X1b code that runs on after its scope has ended is told", async (t) => {
  const main = async () => {
    let late: Promise<unknown> | undefined;
    await withCancelScope(
      () => {
        late = (async () => {
          for (let tick = 0; tick < 20; tick++) await null;
          await sleep(5);
        })();
      },
      { name: "request" },
    );
    await late;
  };
  const told = await toldBy(t, main);
  assert.ok(told.length >= 1);
  assert.match(told[0]!, /main\/request/);
});

test("R4 debug mode works where errors have no stack", async (t) => {
  const { prepareStackTrace } = Error;
  Error.prepareStackTrace = () => undefined;
  try {
    const deadline = () => moveOnAfter(5, () => sleepForever().catch(() => undefined));
    assert.equal((await toldBy(t, deadline)).length, 1);
  } finally {
    Error.prepareStackTrace = prepareStackTrace!;
  }
});
