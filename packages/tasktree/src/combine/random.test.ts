/** All of the family, with random functions, limits and cancellations. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { randomFrom } from "../../test/random.ts";
import { virtually } from "../../test/virtual.ts";
import {
  all,
  allSettled,
  any,
  asCompleted,
  currentScope,
  currentTask,
  isCancelled,
  mapConcurrent,
  now,
  race,
  sleep,
  WorkCancelledError,
  withCancelScope,
} from "../index.ts";

type Way = "value" | "failure" | "quits";

interface Plan {
  readonly at: number;
  readonly ms: number;
  readonly way: Way;
  /** How long its cleanup takes. */
  readonly cleanup: number;
}

class Failure extends Error {
  readonly at: number;

  constructor(at: number) {
    super(`function ${at}`);
    this.at = at;
  }
}

/** Runs the functions of a plan, and knows what each should come to. */
class Program {
  readonly plans: readonly Plan[];
  readonly limit: number;
  running = 0;
  most = 0;
  readonly started: number[] = [];

  constructor(seed: number) {
    const random = randomFrom(seed);
    const failures = random(3);
    this.limit = random(4) === 0 ? Infinity : 1 + random(4);
    this.plans = Array.from({ length: random(9) }, (_, at) => {
      const way = random(3) >= failures ? "value" : random(3) === 0 ? "quits" : "failure";
      return { at, ms: random(6), way, cleanup: random(4) };
    });
  }

  get jobs(): (() => Promise<number>)[] {
    return this.plans.map((plan) => () => this.job(plan));
  }

  async job({ at, ms, way, cleanup }: Plan): Promise<number> {
    this.started.push(at);
    this.most = Math.max(this.most, ++this.running);
    let ended = false;
    try {
      if (ms > 0) await sleep(ms);
      if (way === "quits") currentTask()!.cancel();
      if (way === "quits") await sleep(1);
      ended = true;
      if (way === "failure") throw new Failure(at);
      return at;
    } finally {
      if (!ended) await sleep(cleanup);
      this.running--;
    }
  }
}

/** Each: runs a program, and checks what came of it where nobody cancelled it. */
const users: Record<string, (program: Program) => Promise<void>> = {
  async all({ jobs, plans, limit }) {
    const bad = plans.some(({ way }) => way !== "value");
    const result = await all(jobs, { limit }).catch(known);
    if (Array.isArray(result)) assert.deepEqual([result, bad], [plans.map(({ at }) => at), false]);
    else assert.ok(bad);
  },
  async "all of an async source"({ jobs, plans, limit }) {
    const bad = plans.some(({ way }) => way !== "value");
    const result = await all(slowly(jobs), { limit }).catch(known);
    if (Array.isArray(result)) assert.deepEqual([result, bad], [plans.map(({ at }) => at), false]);
    else assert.ok(bad);
  },
  async allSettled({ jobs, plans, limit }) {
    const entries = await allSettled(jobs, { limit });
    assert.deepEqual(
      entries.map((entry) => (entry.status === "fulfilled" ? entry.value : ending(entry.reason))),
      plans.map(({ way, at }) => (way === "value" ? at : way)),
    );
  },
  async any({ jobs, plans, limit }) {
    const result = await any(jobs, { limit }).catch(known);
    if (typeof result === "number") assert.equal(plans[result]!.way, "value");
    else {
      assert.ok(result instanceof AggregateError, String(result));
      assert.deepEqual(
        result.errors.map(ending),
        plans.map(({ way }) => way),
      );
    }
  },
  async race({ jobs, plans }) {
    if (jobs.length === 0) return;
    const result = await race(jobs).catch(known);
    const decided = plans.filter(({ way }) => way !== "quits").toSorted((a, b) => a.ms - b.ms || a.at - b.at)[0];
    if (typeof result === "number") assert.equal(plans[result]!.ms, decided!.ms);
    else assert.equal(ending(result), decided === undefined ? "quits" : "failure");
  },
  async asCompleted({ jobs, plans, limit }) {
    await streamed(asCompleted(jobs, { limit }), plans, false);
  },
  async mapConcurrent(program) {
    const { plans, limit } = program;
    await streamed(
      mapConcurrent(plans, (plan) => program.job(plan), { limit }),
      plans,
      true,
    );
  },
  async "mapConcurrent of an async source"(program) {
    const { plans, limit } = program;
    await streamed(
      mapConcurrent(slowly(plans), (plan) => program.job(plan), { limit }),
      plans,
      true,
    );
  },
  async "asCompleted of an async source"({ jobs, plans, limit }) {
    await streamed(asCompleted(slowly(jobs), { limit }), plans, false);
  },
};

/** Some come at once, some take their time. */
async function* slowly<T>(items: readonly T[]): AsyncGenerator<T> {
  for (const [at, item] of items.entries()) {
    if (at % 3 !== 0) await sleep(at % 2);
    yield item;
  }
}

async function streamed(results: AsyncIterable<number>, plans: readonly Plan[], ordered: boolean): Promise<void> {
  const got: number[] = [];
  const use = async (): Promise<"done"> => {
    for await (const value of results) {
      got.push(value);
      if (value % 2 === 1) await sleep(2);
    }
    return "done";
  };
  const result = await use().catch(known);
  const expected = plans.filter(({ way }) => way === "value").map(({ at }) => at);
  if (result === "done") assert.equal(expected.length, plans.length);
  const given = ordered ? got : got.toSorted((a, b) => a - b);
  if (result === "done") assert.deepEqual(given, expected);
  else assert.ok(given.every((value) => expected.includes(value)) && new Set(given).size === given.length);
}

/** Lets nothing through but what a program can come to. */
function known(error: unknown): unknown {
  if (isCancelled(error) || error instanceof assert.AssertionError) throw error;
  return error;
}

function ending(error: unknown): Way {
  if (error instanceof WorkCancelledError) return "quits";
  assert.ok(error instanceof Failure);
  return "failure";
}

for (const [name, use] of Object.entries(users)) {
  test(`B1a B1b B1e B1f B1g whatever ends, fails and is cancelled in whatever order, ${name} keeps its word`, async () => {
    for (let seed = 1; seed <= 150; seed++) {
      const random = randomFrom(seed + 1000);
      const cancelAt = seed % 2 === 0 ? random(12) : undefined;
      const program = new Program(seed);
      await virtually(async () => {
        await withCancelScope(async (scope) => {
          if (cancelAt !== undefined) scope.deadline = now() + cancelAt;
          await use(program);
        });
        assert.equal(program.running, 0, `seed ${seed}: something still runs`);
        if (name !== "race") assert.ok(program.most <= program.limit, `seed ${seed}: ${program.most} at a time`);
        assert.deepEqual(
          program.started,
          program.started.map((_, at) => at),
          `seed ${seed}: not started in order`,
        );
        const { children } = currentScope() as unknown as { children?: { size: number } };
        assert.equal(children?.size ?? 0, 0, `seed ${seed}: something was left open`);
      });
    }
  });
}
