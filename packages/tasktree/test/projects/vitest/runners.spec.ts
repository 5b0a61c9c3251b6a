/** Tests for vitest to report, good and bad; vitest.test.ts looks at what it prints. */
import { openTaskGroup, sleep, sleepForever, withTaskGroup } from "tasktree";
import { it, test } from "tasktree/vitest";
import { describe, expect } from "vitest";

test("an hour passes at once", { virtual: true, platform: true }, async () => {
  const begun = Date.now();
  await sleep(3_600_000);
  expect(Date.now() - begun).toBe(3_600_000);
});

test("differs", async () => {
  await sleep(1);
  expect({ a: 1, b: 2 }).toEqual({ a: 1, b: 3 });
});

test("leaves a group", { virtual: true }, async () => {
  openTaskGroup({ name: "forgotten" }).spawn(sleepForever, { name: "lost" });
});

test("fails twice", () =>
  withTaskGroup(async (group) => {
    group.spawn(async () => {
      await sleepForever().catch(() => {});
      throw new Error("the second failure");
    });
    throw new Error("the first failure");
  }));

test("times out", async () => {
  try {
    await sleepForever();
  } finally {
    await sleep(50);
    console.log("cleaned up after the time-out");
  }
}, 200);

test("begins when that is cleaned up", () => console.log("the next test begins"));

test("is stuck", { timeout: 200, grace: 50 }, () =>
  withTaskGroup((group) => void group.spawn(() => new Promise(() => {}), { name: "deaf" })),
);

test.each([
  [1, 1, 2],
  [2, 3, 5],
])("%i and %i are %i", { virtual: true }, async (a, b, sum) => {
  await sleep(1000);
  expect(a + b).toBe(sum);
});

test.for([{ name: "ann" }])("$name is greeted", async ({ name }, t) => {
  await sleep(1);
  t.expect(`hello ${name}`).toBe("hello ann");
});

test.concurrent.fails("is known to fail", async () => {
  await sleep(1);
  throw new Error("known");
});

test("skips itself", (t) => t.skip());
test.skipIf(true)("is skipped", () => expect(1).toBe(2));
it.todo("is to be written");

describe("suite", () => {
  test.explore("counts", async () => {
    let count = 0;
    const add = async (): Promise<void> => {
      const before = count;
      await Promise.resolve();
      count = before + 1;
    };
    await Promise.all([add(), add()]);
    expect(count).toBe(2);
  });
  test.explore("holds", { schedules: 50 }, async () => {
    await Promise.all([Promise.resolve(), Promise.resolve()]);
  });
});
