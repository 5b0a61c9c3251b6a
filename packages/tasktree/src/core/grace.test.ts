/** How long cleanup may take, and what comes then: rules C2d and C2j. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { cutTwice } from "../../test/cut-twice.ts";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  abandonOnCancel,
  checkpoint,
  isCancelled,
  now,
  Semaphore,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
} from "../index.ts";

// --- C2: grace

test("C2d grace is 5,000 ms unless set", () =>
  virtually(async () => {
    const seen = await withCancelScope(async (scope) => {
      scope.cancel();
      return cutTwice();
    });
    assert.equal(seen?.cutoff, 5000);
  }));

test("C2d grace is inherited from the run, and from scope to scope", () =>
  virtually(
    async () => {
      const scopeOfRun = await withCancelScope((scope) => (scope.cancel(), cutTwice()));
      assert.equal(scopeOfRun?.cutoff, 70);
      const start = now();
      const inherited = await withCancelScope(
        () => withTaskGroup((group) => group.spawn(() => withCancelScope((scope) => (scope.cancel(), cutTwice())))),
        { grace: 30 },
      );
      assert.equal(inherited?.cutoff, start + 30);
    },
    { grace: 70 },
  ));

test("C2d a longer grace can be set further in", () =>
  virtually(
    async () => {
      const seen = await withCancelScope((scope) => (scope.cancel(), cutTwice()), { grace: 10_000 });
      assert.equal(seen?.cutoff, 10_000);
    },
    { grace: 70 },
  ));

test("C2d the least cut-off of the cancelled scopes counts, whichever it belongs to", () =>
  virtually(async () => {
    for (const [outerGrace, innerGrace] of [
      [100, 1000],
      [1000, 100],
    ] as const) {
      const start = now();
      let seen: { cutoff: number } | undefined;
      await withCancelScope(
        (outer) =>
          withCancelScope(
            async (inner) => {
              outer.cancel();
              inner.cancel();
              seen = await cutTwice();
            },
            { grace: innerGrace },
          ),
        { grace: outerGrace },
      );
      assert.equal(seen?.cutoff, start + 100);
    }
  }));

test("C2d the grace of a scope that was not cancelled does not count", () =>
  virtually(async () => {
    const seen: { cutoff: number }[] = [];
    await withCancelScope(
      (outer) =>
        withCancelScope(
          async () => {
            outer.cancel();
            seen.push(await cutTwice());
          },
          { grace: 10 },
        ),
      { grace: 300 },
    );
    assert.equal(seen[0]?.cutoff, 300);
  }));

test("C2d a cut-off further in is not one of the scope around", () =>
  virtually(async () => {
    const cuts: number[] = [];
    await withCancelScope(async (outer) => {
      queueMicrotask(() => outer.cancel());
      try {
        await withCancelScope(
          async (inner) => {
            inner.cancel();
            cuts.push((await cutTwice()).cutoff);
          },
          { grace: 50 },
        );
      } finally {
        await rejection(sleepForever());
        await rejection(sleepForever());
        cuts.push(now());
      }
    });
    assert.deepEqual(cuts, [50, 5000]);
  }));

test("C2d grace 0 is a level trigger: a wait is cut, and every checkpoint after it throws", () =>
  virtually(async () => {
    for (const wait of [sleepForever, checkpoint]) {
      const errors: unknown[] = [];
      await withCancelScope(
        async (scope) => {
          queueMicrotask(() => scope.cancel());
          await null;
          if (wait === checkpoint) await null;
          for (let i = 0; i < 3; i++) errors.push(await rejection(wait()));
        },
        { grace: 0 },
      );
      assert.equal(errors.length, 3);
      assert.ok(isCancelled(errors[0]));
      assert.equal(new Set(errors).size, 1);
    }
  }));

test("C2d grace Infinity never cuts cleanup", () =>
  virtually(
    async () => {
      let cleaned = false;
      await withCancelScope(async (scope) => {
        scope.cancel();
        await rejection(checkpoint());
        await sleep(1e9);
        cleaned = true;
      });
      assert.equal(cleaned, true);
      assert.equal(now(), 1e9);
    },
    { grace: Infinity },
  ));

// --- C2: the cut-off

test("C2j at the cut-off waits in progress are cut, and every checkpoint after it throws", () =>
  virtually(async () => {
    await withCancelScope(
      async (scope) => {
        scope.cancel();
        const first = await rejection(checkpoint());
        const semaphore = new Semaphore(0, { max: 1 });
        const waits = [sleepForever(), semaphore.acquire(), sleep(101), abandonOnCancel(new Promise(() => {}))];
        for (const error of await Promise.all(waits.map(rejection))) assert.equal(error, first);
        assert.equal(now(), 100);
        assert.equal(semaphore.statistics().waiting, 0);
        for (const call of [checkpoint, () => sleep(0), () => semaphore.acquire(), () => scope.waitDraining()]) {
          assert.equal(await rejection(call()), first);
        }
        assert.equal(semaphore.statistics().waiting, 0);
      },
      { grace: 100 },
    );
  }));

test("C2j what ends in the millisecond before the cut-off is not cut", () =>
  virtually(async () => {
    let cleaned = false;
    await withCancelScope(
      async (scope) => {
        scope.cancel();
        await rejection(checkpoint());
        await sleep(99);
        cleaned = true;
      },
      { grace: 100 },
    );
    assert.equal(cleaned, true);
  }));

test("C2j a cancellation and the cut-off of another in one instant are one throw", () =>
  virtually(async () => {
    const cuts: number[] = [];
    await withCancelScope(
      async (outer) => {
        await withCancelScope(async (inner) => {
          outer.cancel();
          await rejection(checkpoint());
          inner.deadline = now() + 100;
          await rejection(sleepForever());
          cuts.push(now());
          await rejection(checkpoint());
          cuts.push(now());
        });
      },
      { grace: 100 },
    );
    assert.deepEqual(cuts, [100, 102]);
  }));

test("C2j code that swallows cancellation before the cut-off is stopped at it", () =>
  virtually(async () => {
    let rounds = 0;
    let seen: unknown;
    await withCancelScope(
      async (scope) => {
        scope.cancel();
        while (now() < 1000) {
          await sleep(10).catch((error: unknown) => (seen = error));
          rounds++;
        }
      },
      { grace: 100 },
    );
    assert.ok(isCancelled(seen));
    // one throw, ten sleeps at most, then throws at 2, 4, 8 ms …
    assert.ok(rounds < 25, `${rounds} rounds`);
  }));
