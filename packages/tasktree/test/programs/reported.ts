/** Tests for the runner to report, good and bad; node-test.test.ts looks at what it prints. */
import assert from "node:assert/strict";
import { abandonOnCancel, openTaskGroup, sleep, sleepForever, withTaskGroup } from "tasktree";
import { describe, it, test } from "tasktree/node-test";

test("an hour passes at once", { virtual: true, platform: true }, async () => {
  const begun = Date.now();
  await sleep(3_600_000);
  assert.equal(Date.now() - begun, 3_600_000);
});

test("real time passes", async (t) => {
  await sleep(2);
  await t.test("a subtest is in the run of its test", () => sleep(1));
});

test("differs", async () => {
  await sleep(1);
  assert.deepEqual({ a: 1, b: 2 }, { a: 1, b: 3 });
});

test("leaves a group", { virtual: true }, async () => {
  openTaskGroup({ name: "forgotten" }).spawn(sleepForever, { name: "lost" });
});

test("leaves a timer", async () => {
  setTimeout(() => {}, 200);
});

test("may leave a timer", { leaks: false }, async () => {
  setTimeout(() => {}, 1);
});

test("fails twice", () =>
  withTaskGroup(async (group) => {
    group.spawn(async () => {
      await sleepForever().catch(() => {});
      throw new Error("the second failure");
    });
    throw new Error("the first failure");
  }));

test("is stuck", { grace: 50 }, () =>
  withTaskGroup((group) => {
    group.spawn(() => new Promise(() => {}), { name: "deaf" });
    group.cancel();
  }),
);

test("times out", { timeout: 200 }, async () => {
  try {
    await sleepForever();
  } finally {
    await sleep(50);
    console.log("cleaned up after the time-out");
  }
});

test("begins when that is cleaned up", () => console.log("the next test begins"));

test("times out and is stuck", { timeout: 200, grace: 50 }, () =>
  withTaskGroup((group) => void group.spawn(() => new Promise(() => {}), { name: "deafer" })),
);

test("times out and is stuck in virtual time", { virtual: true, timeout: 200 }, () =>
  withTaskGroup((group) => void group.spawn(() => new Promise(() => {}), { name: "deafest" })),
);

test("times out in virtual time", { virtual: true, timeout: 200 }, async () => {
  const io = Promise.withResolvers<void>();
  const timer = setTimeout(io.resolve, 10_000);
  try {
    await abandonOnCancel(io.promise);
  } finally {
    clearTimeout(timer);
    io.resolve();
    await sleep(1000);
    console.log("cleaned up in virtual time");
  }
});

let tried = 0;
test.explore("times out exploring", { timeout: 200, schedules: Infinity }, async () => {
  tried++;
  const hundredSteps = async (): Promise<void> => {
    for (let step = 0; step < 100; step++) await Promise.resolve();
  };
  await Promise.all([hundredSteps(), hundredSteps()]);
});

test("begins when no more is explored", async () => {
  const before = tried;
  await sleep(20);
  assert.equal(tried, before);
});

describe("suite", () => {
  it.skip("is skipped", () => assert.fail());
  it.todo("is to be written");

  test.explore("counts", async () => {
    let count = 0;
    const add = async (): Promise<void> => {
      const before = count;
      await Promise.resolve();
      count = before + 1;
    };
    await Promise.all([add(), add()]);
    assert.equal(count, 2);
  });

  test.explore("holds", { schedules: 50 }, async () => {
    await Promise.all([Promise.resolve(), Promise.resolve()]);
  });
});
