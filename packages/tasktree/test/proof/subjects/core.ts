import assert from "node:assert/strict";
import {
  abandonOnCancel,
  checkpoint,
  currentScope,
  failAfter,
  isCancelled,
  moveOnAfter,
  now,
  openTaskGroup,
  shield,
  sleep,
  sleepForever,
  suppressedErrors,
  TimeoutError,
  withCancelScope,
  withTaskGroup,
  WorkCancelledError,
  type Scope,
  type TaskGroup,
} from "../../../src/index.ts";
import type { Primitive, Program } from "../prove.ts";
import { called, endingOf, isWorkCancelled, Work } from "./work.ts";

// --- groups

/** The first failure cancels the rest and is what the group throws; no child is left; no error is lost (K1, K4). */
async function failingGroup(failing: number, others: number): Promise<void> {
  const work = new Work();
  const [ending, isCancelled] = await called(work, () =>
    withTaskGroup((group) => {
      for (let at = 0; at < failing; at++) group.spawn(work.job(`f${at}`, { steps: 1, fails: true }));
      for (let at = 0; at < others; at++) group.spawn(work.job(`o${at}`, { steps: 2 }));
      return "block";
    }),
  );
  if (work.errors.length === 0) return assert.ok(ending.how === "gave" ? ending.value === "block" : isCancelled);
  assert.ok(ending.how === "threw");
  const told = [ending.error, ...suppressedErrors(ending.error)];
  assert.deepEqual(new Set(told), new Set(work.errors));
}

/** A failure ends what would never end by itself, at once. */
async function waitsForEver(): Promise<void> {
  const ending = await endingOf(() =>
    withTaskGroup((group) => {
      group.spawn(() => sleep(1000).then(() => assert.fail("it was not cancelled at once")));
      group.spawn(() => checkpoint().then(() => Promise.reject(new Error("down"))));
    }),
  );
  assert.ok(
    ending.how === "threw" && (ending.error as Error).message === "down" && suppressedErrors(ending.error).length === 0,
  );
}

/** Children may start others until the group has ended (K3); one that is cancelled alone ends alone (K6). */
async function growingGroup(): Promise<void> {
  const work = new Work();
  const [ending, isCancelled] = await called(work, () =>
    withTaskGroup((group) => {
      const grow = work.job("first", { steps: 1 });
      group.spawn(() => grow().then(() => void group.trySpawn(work.job("second", { steps: 1 }))));
      group.spawn(work.job("third", { steps: 1 }));
      return "block";
    }),
  );
  assert.ok(ending.how === "gave" ? ending.value === "block" : isCancelled);
}

/** Services end after all others, one by one, the last started first (K3). */
async function services(): Promise<void> {
  const log: string[] = [];
  const logged = (name: string, fn: () => Promise<unknown>) => async (): Promise<void> => {
    try {
      await fn();
    } finally {
      await checkpoint().catch(() => undefined);
      log.push(name);
    }
  };
  await endingOf(() =>
    withTaskGroup((group) => {
      group.spawn(logged("s1", sleepForever), { name: "s1", service: true });
      group.spawn(logged("s2", sleepForever), { name: "s2", service: true });
      group.spawn(logged("a", checkpoint), { name: "a" });
      group.spawn(logged("b", checkpoint), { name: "b" });
    }),
  );
  assert.equal(new Set(log).size, 4);
  assert.deepEqual(log.slice(2), ["s2", "s1"]);
}

/** Awaiting a task gives what it gave, or `WorkCancelledError`; cancelling who awaits leaves it alone (K6, K8). */
async function awaitedTask(): Promise<void> {
  const work = new Work();
  await withTaskGroup((group) => {
    const task = group.spawn(work.job("worker", { steps: 1 }), { name: "worker" });
    const awaiter = async (): Promise<void> => {
      const ending = await endingOf(() => task);
      const worker = work.named("worker");
      if (ending.how === "gave") assert.ok(worker?.how === "gave" && task.status === "ok");
      else if (ending.how === "threw") assert.ok(isWorkCancelled(ending) && task.status === "cancelled");
      else assert.ok(currentScope().cancelRequested);
    };
    group.spawn(awaiter, { name: "first" });
    group.spawn(awaiter, { name: "second" });
  });
  work.checkEnded();
}

// --- scopes

/** A scope that is cancelled gives its block's value if that returned, else undefined; its cleanup may wait; each is told once (C2, C5). */
async function cancelledScope(grace?: number): Promise<void> {
  let scope: Scope | undefined;
  let cuts = 0;
  let isClean = false;
  let result: unknown;
  await withTaskGroup((group) => {
    const inside = async (): Promise<void> => {
      result = await withCancelScope(
        async (opened) => {
          scope = opened;
          try {
            await checkpoint();
            await checkpoint();
            return "value";
          } catch (error) {
            cuts++;
            throw error;
          } finally {
            await checkpoint();
            await checkpoint();
            isClean = true;
          }
        },
        grace === undefined ? {} : { grace },
      );
      assert.ok(result === "value" ? !scope!.caught : scope!.caught);
    };
    group.spawn(inside, { name: "inside" });
    group.spawn(() => checkpoint().then(() => scope?.cancel()), { name: "outside" });
  });
  if (scope === undefined) return;
  assert.ok(cuts <= 1);
  // Without grace cleanup must not wait; with it, only one that was not yet told is cut there.
  if (result === "value") assert.ok(isClean);
  if (grace === undefined && cuts === 1) assert.ok(isClean, "cleanup was cut, within its grace");
  if (grace === 0 && cuts === 1) assert.ok(!isClean, "a checkpoint passed after the cut-off");
}

/** A cancellation further out leaves cleanup alone that has begun (C2). */
async function cancelledTwice(): Promise<void> {
  await withCancelScope(async (outer) => {
    let inner: Scope | undefined;
    await withTaskGroup((group) => {
      const inside = async (): Promise<void> => {
        await withCancelScope(async (opened) => {
          inner = opened;
          let isTold = false;
          try {
            await sleepForever();
          } catch {
            isTold = true;
          } finally {
            await checkpoint().then(() => sleep(1));
            assert.ok(isTold);
          }
        });
      };
      group.spawn(inside, { name: "inside" });
      group.spawn(() => checkpoint().finally(() => inner?.cancel()), { name: "first" });
      group.spawn(() => checkpoint().finally(() => outer.cancel()), { name: "second" });
    });
  });
}

/** What a shield covers is not cut; the next checkpoint after it is (C8). */
async function shielded(): Promise<void> {
  const log: string[] = [];
  await withTaskGroup((group) => {
    const covered = async (): Promise<void> => {
      const isTold = (): boolean => currentScope().cancelRequested;
      await shield(
        async () => {
          await checkpoint();
          log.push("one");
          await checkpoint();
          log.push("two");
        },
        { timeout: Infinity },
      );
      const wasCancelled = isTold();
      const ending = await endingOf(checkpoint);
      assert.ok(
        ending.how === "was cut" || !wasCancelled,
        "a cancellation that a shield hid was not delivered after it",
      );
    };
    group.spawn(covered, { name: "covered" });
    group.spawn(() => checkpoint().then(() => group.cancel()), { name: "canceller" });
  }).catch(unlessOwn);
  assert.ok(log.length === 0 || log.length === 2, "a shield was cut");
}

function unlessOwn(error: unknown): void {
  if (!(error instanceof WorkCancelledError)) throw error;
}

/** Two cancellations at once: each scope gets its own, the outer one wins (C2, C5). */
async function nestedScopes(): Promise<void> {
  const seen: string[] = [];
  await withTaskGroup(async (group) => {
    let outer: Scope | undefined;
    let inner: Scope | undefined;
    const inside = async (): Promise<void> => {
      await withCancelScope(async (first) => {
        outer = first;
        await withCancelScope(async (second) => {
          inner = second;
          await checkpoint();
          await checkpoint();
        });
        seen.push("between");
        await checkpoint();
        seen.push("after");
      });
      seen.push("outside");
      if (outer!.caught) assert.ok(!seen.includes("after"), "a cancelled scope went on");
      if (!outer!.cancelRequested) assert.ok(seen.includes("after") && seen.includes("between"));
      if (inner!.caught) assert.ok(seen.includes("between"));
    };
    group.spawn(inside, { name: "inside" });
    group.spawn(() => checkpoint().then(() => inner?.cancel()), { name: "inner" });
    group.spawn(() => checkpoint().then(() => outer?.cancel()), { name: "outer" });
  });
}

// --- deadlines

/** The earliest deadline wins, and at its very time; a deadline comes before a sleep that is due with it (D1, D2). */
async function deadlines(tasks: number, first: number, second: number, duration: number): Promise<void> {
  await withTaskGroup((group) => {
    const timed = async (): Promise<void> => {
      const began = now();
      const ending = await endingOf(() =>
        failAfter(first, async () => {
          const inner = await moveOnAfter(second, () => sleep(duration).then(() => "slept"));
          return inner ?? "moved on";
        }),
      );
      if (ending.how === "was cut") return assert.ok(currentScope().cancelRequested);
      assert.equal(now() - began, Math.min(first, second, duration));
      if (ending.how === "threw")
        return assert.ok(ending.error instanceof TimeoutError && first <= Math.min(second, duration));
      assert.equal(ending.value, second <= duration ? "moved on" : "slept");
      assert.ok(first > Math.min(second, duration) || first === Infinity);
    };
    for (let task = 0; task < tasks; task++) group.spawn(timed);
  });
}

// --- start

/** `start` gives what was reported; a starter that is cancelled goes on when the child has ended (K13). */
async function started(fails: boolean, reports: boolean): Promise<void> {
  const work = new Work();
  await withTaskGroup((group) => {
    const child = work.job("child", { steps: 1, fails });
    const starter = async (): Promise<void> => {
      const ending = await endingOf(() =>
        group.start<string>(async (started) => {
          await checkpoint();
          if (reports) started("ready");
          await child();
        }),
      );
      if (ending.how === "gave") return assert.equal(ending.value, "ready");
      assert.equal(work.running, 0, "the starter has gone on before its child had ended");
      if (ending.how === "was cut") return assert.ok(currentScope().cancelRequested);
      assert.ok(!reports || isWorkCancelled(ending) || work.errors.includes(ending.error));
    };
    group.spawn(starter, { name: "starter" });
  }).catch((error: unknown) => assert.ok(work.errors.includes(error)));
  work.checkEnded();
}

/** A starter that is cancelled cancels what it has started. */
async function startsWhatWaits(): Promise<void> {
  await withTaskGroup((group) => {
    const starter = group.spawn(() => endingOf(() => group.start(() => sleepForever())), { name: "starter" });
    group.spawn(() => checkpoint().finally(() => starter.cancel()), { name: "canceller" });
  });
}

// --- open groups

/** `join` waits for everybody and throws what failed; disposal cancels and waits (K14). */
async function joined(fails: boolean): Promise<void> {
  const work = new Work();
  const [ending] = await called(work, async () => {
    await using group = openTaskGroup();
    group.spawn(work.job("a", { steps: 1, fails }));
    group.spawn(work.job("b", { steps: 1 }));
    await group.join();
    work.checkEnded();
  });
  if (ending.how === "gave") assert.equal(work.errors.length, 0);
  if (ending.how !== "threw") return;
  // `await using` throws both if the block was cut and the group had failed.
  const { error = ending.error } = Object(ending.error) as { readonly error?: unknown };
  assert.ok(work.errors.includes(error) || isWorkCancelled(ending));
}

/** Joining what has no children ends at once; a second time too. */
async function joinedByNobody(): Promise<void> {
  const [ending, isCancelled] = await called(new Work(), async () => {
    const group = openTaskGroup();
    await group.join();
    await group.join();
  });
  assert.ok(ending.how === "gave" || isCancelled);
}

/** Two join, one disposes: all of them go on, when everybody has ended. */
async function joinedTwice(): Promise<void> {
  const work = new Work();
  await withTaskGroup((outer: TaskGroup) => {
    const group = openTaskGroup();
    group.spawn(work.job("a", { steps: 1 }));
    const joiner = async (): Promise<void> => {
      const ending = await endingOf(() => group.join());
      if (ending.how === "gave") assert.equal(work.running, 0);
      else assert.ok(isWorkCancelled(ending) || currentScope().cancelRequested);
    };
    outer.spawn(joiner, { name: "first" });
    outer.spawn(joiner, { name: "second" });
    outer.spawn(() => checkpoint().then(() => group[Symbol.asyncDispose]()), { name: "disposer" });
  });
  work.checkEnded();
}

// --- abandonOnCancel

/** What a foreign promise gives goes to the waiter or to `onLate`, once (C4). */
async function abandoned(): Promise<void> {
  const foreign = Promise.withResolvers<string>();
  const got: string[] = [];
  let wasBegun = false;
  await withTaskGroup((group) => {
    const waiter = async (): Promise<void> => {
      await Promise.resolve();
      wasBegun = true;
      got.push(await abandonOnCancel(foreign.promise, { onLate: (value) => void got.push(value) }));
    };
    group.spawn(waiter, { name: "waiter" });
    const giver = async (): Promise<void> => {
      await Promise.resolve();
      foreign.resolve("value");
    };
    group.spawn(() => giver().finally(() => foreign.resolve("value")), { name: "giver" });
  });
  // What is late comes when it comes.
  await Promise.resolve();
  await sleep(1);
  assert.deepEqual(got, wasBegun ? ["value"] : []);
}

/** One that swallows its cancellation: after the cut-off each of its checkpoints throws (C2). */
async function swallowing(): Promise<void> {
  let scope: Scope | undefined;
  let wasTold = false;
  const stubborn = async (opened: Scope): Promise<void> => {
    scope = opened;
    for (let turn = 0; turn < 3; turn++) {
      try {
        await checkpoint();
        assert.ok(!wasTold, "a checkpoint passed after the cut-off");
      } catch (error) {
        if (!isCancelled(error)) throw error;
        wasTold = true;
      }
    }
  };
  await withTaskGroup((group) => {
    group.spawn(() => withCancelScope(stubborn, { grace: 0 }));
    group.spawn(() => checkpoint().then(() => scope!.cancel()));
  });
}

function program(name: string, run: () => Promise<void>, settings: Partial<Program> = {}): Program {
  return { name, run, tries: "many", seen: false, ...settings };
}

const all = { tries: "all" } as const;

export const core: readonly Primitive[] = [
  {
    name: "task groups",
    programs: [
      program("group: one fails at once", () => failingGroup(1, 0), all),
      program("group: two fail", () => failingGroup(2, 1), { cancellations: 2 }),
      program("group: one waits for ever", waitsForEver, { ...all, cancellations: 0 }),
      program("group: it grows", growingGroup, { isLong: true }),
      program("group: a task is awaited", awaitedTask, { isLong: true }),
      program("group: services end last", services, { cancellations: 2, cancels: (name) => !name.startsWith("s") }),
    ],
  },
  {
    name: "scopes and shields",
    programs: [
      program("scope: cancelled from elsewhere", () => cancelledScope(), all),
      program("scope: cancelled twice", cancelledTwice, { isLong: true }),
      program("scope: nested", nestedScopes, { cancellations: 2 }),
      program("scope: without grace", () => cancelledScope(0), { isLong: true }),
      program("scope: swallowed", swallowing, { ...all, cancellations: 0 }),
      program("shield: one cancels", shielded),
    ],
  },
  {
    name: "deadlines",
    programs: [
      program("deadline: of two the earlier", () => deadlines(1, 7, 5, 9), all),
      program("deadline: all at once", () => deadlines(2, 5, 5, 5), { cancellations: 2 }),
      program("deadline: in time", () => deadlines(2, 9, 5, 3), { isLong: true }),
    ],
  },
  {
    name: "start",
    programs: [
      program("start: reports", () => started(false, true), all),
      program("start: waits for ever", startsWhatWaits, { ...all, cancellations: 0 }),
      program("start: fails", () => started(true, true), { cancellations: 2 }),
      program("start: never reports", () => started(false, false), { isLong: true }),
    ],
  },
  {
    name: "open groups",
    programs: [
      program("open group: of none", joinedByNobody, all),
      program("open group: joined", () => joined(false)),
      program("open group: one fails", () => joined(true), { isLong: true }),
      program("open group: joined twice", joinedTwice, { isLong: true }),
    ],
  },
  {
    name: "abandonOnCancel",
    programs: [
      program("abandon: given", abandoned, { ...all, cancellations: 0 }),
      program("abandon: cut twice", abandoned, { cancellations: 2 }),
    ],
  },
];
