/**
 * Random nests of scopes and shields, cancelled at random times, against what rules C2, C5 and C8 say of them: the code in
 * the innermost swallows every throw and waits on, until it gives up and leaves.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isCancelled, now, shield, sleepUntil, withCancelScope, withTaskGroup, type Scope } from "../src/index.ts";
import { randomFrom } from "./random.ts";
import { virtually } from "./virtual.ts";

/** A scope with its grace, or a shield with its timeout. */
interface Level {
  readonly at: number;
  readonly grace: number;
  readonly timeout: number | undefined;
  readonly cancelAt: number;
}

/** When a cancellation was thrown in the innermost code, and by which level's error. */
type Throw = readonly [at: number, level: unknown];

interface Course {
  readonly throws: Throw[];
  /** What left each level: a value, or the number of the level whose error it was. */
  readonly left: unknown[];
}

/** When the code inside stops swallowing: a time at which nothing else happens. */
const end = 409;

function randomLevels(seed: number, timeouts: readonly number[], shields: number): Level[] {
  const random = randomFrom(seed);
  return Array.from({ length: 1 + random(6) }, (_, at) => {
    const isShield = random(10) < shields;
    return {
      at,
      grace: [0, 10, 50, 100, 1000, Infinity][random(6)]!,
      timeout: isShield ? timeouts[random(timeouts.length)]! : undefined,
      // each level has milliseconds of its own, so that nothing happens at once but what must
      cancelAt: isShield || random(3) === 0 ? Infinity : 10 * (1 + random(30)) + at,
    };
  });
}

/** From when on every checkpoint of the innermost code throws: a cut-off that it sees, or the end of a shield. */
function cutoffOf(levels: readonly Level[]): number {
  const cutoffs = visible(levels).map(({ cancelAt, grace }) => cancelAt + grace);
  const ends = levels
    .filter(({ timeout }) => timeout !== undefined)
    .map(({ at, timeout }) => firstCancelled(levels.slice(0, at)) + timeout!);
  return Math.min(Infinity, ...cutoffs, ...ends);
}

function visible(levels: readonly Level[]): Level[] {
  return levels.slice(levels.findLastIndex(({ timeout }) => timeout !== undefined) + 1);
}

function firstCancelled(levels: readonly Level[]): number {
  return Math.min(Infinity, ...levels.map(({ cancelAt }) => cancelAt));
}

function expected(levels: readonly Level[]): Course {
  const cutoff = cutoffOf(levels);
  const throws: Throw[] = [];
  let outermost = Infinity;
  let told = -1;
  for (const { at, cancelAt } of visible(levels).toSorted((a, b) => a.cancelAt - b.cancelAt)) {
    if (cancelAt > Math.min(cutoff, end)) break;
    outermost = Math.min(outermost, at);
    if (at > told) throws.push([cancelAt, outermost]);
    told = Math.max(told, at);
  }
  if (cutoff < end && throws.at(-1)?.[0] !== cutoff) {
    const ended = levels.filter(
      ({ at, timeout }) => timeout !== undefined && firstCancelled(levels.slice(0, at)) + timeout === cutoff,
    );
    const hidden = levels.slice(0, ended.at(-1)?.at ?? 0).filter(({ cancelAt }) => cancelAt <= cutoff);
    throws.push([cutoff, Math.min(outermost, ...hidden.map(({ at }) => at))]);
  }
  const absorbs = Math.min(
    Infinity,
    ...visible(levels)
      .filter(({ cancelAt }) => cancelAt < end)
      .map(({ at }) => at),
  );
  const left = levels.map(({ at }) => (at > absorbs ? absorbs : absorbs === Infinity ? "value" : undefined));
  return { throws, left };
}

function levelOf(error: unknown): unknown {
  return isCancelled(error) ? error.reason : error;
}

async function carryOut(levels: readonly Level[]): Promise<Course> {
  const scopes: Scope[] = [];
  const left: unknown[] = [];
  const throws: Throw[] = [];
  const cutoff = cutoffOf(levels);

  async function inside(): Promise<string> {
    let last: unknown;
    while (now() < end) {
      try {
        await sleepUntil(end);
      } catch (error) {
        last = error;
        // after the cut-off throws come 2^k ms apart: not looked at here
        if (now() <= cutoff) throws.push([now(), levelOf(error)]);
      }
    }
    if (last !== undefined) throw last;
    return "value";
  }

  async function enter(at: number): Promise<unknown> {
    const level = levels[at];
    if (level === undefined) return inside();
    const block = (): Promise<unknown> => enter(at + 1);
    try {
      left[at] =
        level.timeout === undefined
          ? await withCancelScope((scope) => ((scopes[at] = scope), block()), { grace: level.grace })
          : await shield(block, { timeout: level.timeout });
      return left[at];
    } catch (error) {
      left[at] = levelOf(error);
      throw error;
    }
  }

  await withTaskGroup(async (group) => {
    for (const { at, cancelAt } of levels) {
      if (cancelAt === Infinity) continue;
      group.spawn(async () => {
        await sleepUntil(cancelAt);
        scopes[at]!.cancel(at);
      });
    }
    const task = group.attempt(() => enter(0));
    await task.outcome();
  });
  return { throws, left };
}

test("C2 nests of scopes and endless shields, cancelled at any times, throw and leave as the rule says", async () => {
  for (let seed = 1; seed <= 1000; seed++) {
    const levels = randomLevels(seed, [Infinity], 1);
    const course = await virtually(() => carryOut(levels));
    assert.deepEqual(course, expected(levels), `seed ${seed}: ${JSON.stringify(levels)}`);
  }
});

test("C8 nests of scopes and shields that end, cancelled at any times, throw as the rule says", async () => {
  for (let seed = 1; seed <= 1000; seed++) {
    const levels = randomLevels(seed, [0, 10, 50, 100, Infinity], 5);
    const { throws } = await virtually(() => carryOut(levels));
    assert.deepEqual(throws, expected(levels).throws, `seed ${seed}: ${JSON.stringify(levels)}`);
  }
});
