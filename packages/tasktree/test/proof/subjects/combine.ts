import assert from "node:assert/strict";
import {
  all,
  allSettled,
  any,
  asCompleted,
  checkpoint,
  mapConcurrent,
  now,
  race,
  sleep,
  suppressedErrors,
  WorkCancelledError,
} from "../../../src/index.ts";
import type { Primitive, Program } from "../prove.ts";
import { called, endingOf, isWorkCancelled, Work, type Ending, type Plan } from "./work.ts";

type Plans = Readonly<Record<string, Plan>>;

function jobs(work: Work, plans: Plans): (() => Promise<string>)[] {
  return Object.entries(plans).map(([name, plan]) => work.job(name, plan));
}

async function allOf(plans: Plans, limit = Infinity): Promise<void> {
  const work = new Work();
  const [ending, isCancelled] = await called(work, () => all(jobs(work, plans), { limit }));
  assert.ok(work.most <= limit);
  if (work.errors.length > 0) assert.ok(ending.how === "threw" && isAmong(ending.error, work.errors));
  else if (ending.how === "gave") assert.deepEqual(ending.value, Object.keys(plans));
  else assert.ok(isWorkCancelled(ending) || (isCancelled && ending.how === "was cut"));
}

/** Whether an error is one of these, or has come before one of them. */
function isAmong(error: unknown, errors: readonly unknown[]): boolean {
  return [error, ...suppressedErrors(error)].some((one) => errors.includes(one));
}

async function allSettledOf(plans: Plans, limit = Infinity): Promise<void> {
  const work = new Work();
  const [ending, isCancelled] = await called(work, () => allSettled(jobs(work, plans), { limit }));
  assert.ok(work.most <= limit);
  if (ending.how !== "gave") return assert.ok(isCancelled);
  const outcomes = ending.value as PromiseSettledResult<string>[];
  for (const [at, name] of Object.keys(plans).entries()) assert.ok(tells(outcomes[at]!, work.named(name)), name);
}

function tells(outcome: PromiseSettledResult<string>, ending: Ending | undefined): boolean {
  if (outcome.status === "fulfilled") return ending?.how === "gave" && ending.value === outcome.value;
  if (ending?.how === "threw") return ending.error === outcome.reason;
  // One that was cancelled at its very beginning, or in cleaning up, has no say in how that is called.
  return outcome.reason instanceof WorkCancelledError;
}

/** Each value goes to the caller or to `onLoser`, once. */
async function contestOf(
  which: typeof race | typeof any,
  plans: Plans,
  check: (ending: Ending, work: Work) => boolean,
): Promise<void> {
  const work = new Work();
  const lost: unknown[] = [];
  const [ending, isCancelled] = await called(work, () =>
    (which as typeof race)(jobs(work, plans), { onLoser: (value) => lost.push(value) }),
  );
  const won = ending.how === "gave" ? [ending.value] : [];
  assert.deepEqual([...won, ...lost].map(String).sort(byName), work.values.map(String).sort(byName));
  if (ending.how === "was cut") assert.ok(isCancelled);
  else assert.ok(check(ending, work), JSON.stringify(ending));
}

function byName(a: string, b: string): number {
  return a < b ? -1 : 1;
}

function raceOf(plans: Plans): Promise<void> {
  return contestOf(race, plans, (ending, work) => {
    if (ending.how !== "threw") return true;
    return work.errors.includes(ending.error) || (isWorkCancelled(ending) && work.wereCut === work.begun);
  });
}

/** A loser is cancelled at once. */
async function raceAgainstTime(): Promise<void> {
  const began = now();
  const ending = await endingOf(() => race([() => sleep(1000), () => checkpoint()]));
  assert.ok(ending.how !== "gave" || now() === began);
}

function anyOf(plans: Plans): Promise<void> {
  return contestOf(any, plans, (ending, work) => {
    if (ending.how !== "threw") return true;
    if (ending.error instanceof AggregateError)
      return work.values.length === 0 && ending.error.errors.length === work.begun;
    // What fails in cleaning up after it was told fails the whole.
    return work.errors.includes(ending.error);
  });
}

/** Takes results until the end, or until so many were taken. */
async function taken(results: AsyncIterable<unknown>, most: number, into: unknown[]): Promise<void> {
  for await (const value of results) {
    into.push(value);
    if (into.length === most) break;
  }
}

async function asCompletedOf(plans: Plans, most = Infinity, limit = Infinity): Promise<void> {
  const work = new Work();
  const values: unknown[] = [];
  const [ending, isCancelled] = await called(work, () =>
    taken(asCompleted(jobs(work, plans), { limit }), most, values),
  );
  assert.ok(work.most <= limit);
  assert.equal(new Set(values).size, values.length);
  for (const value of values) assert.ok(work.values.includes(value));
  if (ending.how === "gave") assert.equal(values.length, Math.min(most, Object.keys(plans).length));
  else checkStopped(ending, isCancelled, work);
}

async function mapOf(plans: Plans, ordered: boolean, most = Infinity, limit = 2): Promise<void> {
  const work = new Work();
  const values: unknown[] = [];
  const names = Object.keys(plans);
  const results = mapConcurrent(names, (name) => work.job(name, plans[name]!)(), { limit, ordered });
  const [ending, isCancelled] = await called(work, () => taken(results, most, values));
  assert.ok(work.most <= limit);
  if (ordered) assert.deepEqual(values, names.slice(0, values.length));
  assert.equal(new Set(values).size, values.length);
  if (ending.how === "gave") assert.equal(values.length, Math.min(most, names.length));
  else checkStopped(ending, isCancelled, work);
}

function checkStopped(ending: Ending, isCancelled: boolean, work: Work): void {
  if (ending.how === "was cut") assert.ok(isCancelled);
  else assert.ok(isWorkCancelled(ending) || (ending.how === "threw" && isAmong(ending.error, work.errors)));
}

const two: Plans = { a: { steps: 1 }, b: { steps: 1 } };
const oneFails: Plans = { a: { steps: 1 }, b: { steps: 0, fails: true } };
const three: Plans = { a: { steps: 2 }, b: { steps: 1, fails: true }, c: { steps: 2 } };
const four: Plans = { a: { steps: 1 }, b: { steps: 2 }, c: { steps: 1 }, d: { steps: 1 } };
const fail: Plans = { a: { steps: 1, fails: true }, b: { steps: 0, fails: true } };
const quick: Plans = { a: { steps: 0 }, b: { steps: 0 } };

/** Tasks meet in groups and books, which no explorer sees: all orders are tried. */
function program(name: string, run: () => Promise<void>, settings: Partial<Program> = {}): Program {
  return { name, run, tries: "many", seen: false, ...settings };
}

export const combined: readonly Primitive[] = [
  {
    name: "all, allSettled",
    programs: [
      program("all: quick ones", () => allOf(quick), { tries: "many", cancellations: 0, isLong: true }),
      program("allSettled: one fails at once", () => allSettledOf({ a: { steps: 0 } }), { tries: "all" }),
      program("all: one fails", () => allOf(three), { cancellations: 2 }),
      program("all: two at a time", () => allOf(four, 2)),
      program("allSettled: two at a time", () => allSettledOf(three, 2), { isLong: true }),
    ],
  },
  {
    name: "any, race",
    programs: [
      program("race: a loser waits for ever", raceAgainstTime, { tries: "all" }),
      program("race: of two", () => raceOf(quick), { tries: "all", cancellations: 0 }),
      program("race: of one", () => raceOf({ a: { steps: 0 } }), { tries: "all" }),
      program("race: one fails", () => raceOf(oneFails), { cancellations: 2 }),
      program("race: of three", () => raceOf(three), { isLong: true }),
      program("any: one fails", () => anyOf(three)),
      program("any: all fail", () => anyOf(fail), { isLong: true }),
    ],
  },
  {
    name: "asCompleted, mapConcurrent",
    programs: [
      program("asCompleted: of one", () => asCompletedOf({ a: { steps: 0 } }), { tries: "all", cancellations: 0 }),
      program("mapConcurrent: of one", () => mapOf({ a: { steps: 0 } }, true), { tries: "all", cancellations: 0 }),
      program("asCompleted: left early", () => asCompletedOf(two, 1), { isLong: true }),
      program("asCompleted: one fails, two at a time", () => asCompletedOf(three, Infinity, 2), { isLong: true }),
      program("mapConcurrent: two at a time", () => mapOf(four, true)),
      program("mapConcurrent: unordered, left early", () => mapOf(three, false, 2), { isLong: true }),
    ],
  },
];
