/** What a block may return, and what comes of it: rules K12, K17, C5, R6. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { program, runFile } from "../../test/child.ts";
import { runtime } from "../../test/runtime.ts";
import { virtually } from "../../test/virtual.ts";
import {
  all,
  any,
  failAfter,
  moveOnAfter,
  Mutex,
  race,
  Semaphore,
  shield,
  sleep,
  withCancelScope,
  withTaskGroup,
} from "../index.ts";
import { promiseTry } from "../lowlevel.ts";

/** A promise that is made of something else than an executor, as some libraries' are. */
class Query extends Promise<string> {
  constructor(sql: string | (() => void)) {
    super(typeof sql === "string" ? (resolve) => resolve(`rows of ${sql}`) : sql);
  }
}

class Derived extends Promise<string> {}

function withOwn(name: "constructor" | "then", descriptor: PropertyDescriptor): Promise<string> {
  return Object.defineProperty(Promise.resolve("own"), name, descriptor);
}

/** Each makes something that `await` takes for a promise, or that looks like one. */
const returned: Record<string, () => unknown> = {
  "a promise": () => Promise.resolve("plain"),
  "a promise of a subclass": () => Derived.resolve("derived"),
  "a promise of a subclass with a constructor of its own": () => new Query("a"),
  "a proxy of a promise": () => new Proxy(Promise.resolve("proxy"), {}),
  "no promise, with the methods of one": () => Object.create(Promise.prototype),
  "a promise whose constructor throws": () => withOwn("constructor", { get: () => assert.fail("asked") }),
  "a promise whose constructor is a number": () => withOwn("constructor", { value: 5 }),
  "a promise with a then of its own": () =>
    withOwn("then", { value: (onValue: (value: string) => void) => onValue("mine") }),
  "a promise whose then throws": () => withOwn("then", { get: () => assert.fail("asked") }),
  "a promise without then": () => withOwn("then", { value: undefined }),
};

const mutex = new Mutex();
const semaphore = new Semaphore(1);

const calls: Record<string, (fn: () => unknown) => Promise<unknown>> = {
  withCancelScope,
  withTaskGroup,
  failAfter: (fn) => failAfter(100, fn),
  moveOnAfter: (fn) => moveOnAfter(100, fn),
  shield: (fn) => shield(fn, { timeout: 100 }),
  "Mutex.with": (fn) => mutex.with(fn),
  "Semaphore.with": (fn) => semaphore.with(fn),
  race: (fn) => race([fn]),
  all: async (fn) => (await all([fn]))[0],
  any: (fn) => any([fn]),
  spawn: (fn) => withTaskGroup(async (group) => await group.spawn(fn)),
  promiseTry: (fn) => promiseTry(fn, undefined),
};

async function settled(promise: PromiseLike<unknown>): Promise<unknown> {
  try {
    const value = await promise;
    return typeof value === "string" ? value : "an object";
  } catch (error) {
    const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
    return first instanceof assert.AssertionError ? "asked" : (first as Error).constructor;
  }
}

for (const [what, make] of Object.entries(returned)) {
  test(`K17 C5 ${what}, returned to any call, settles that call, and what it held or opened is free`, async () => {
    const wanted = await settled(Promise.resolve().then(make));
    for (const [name, call] of Object.entries(calls)) {
      // As the value of a task such a promise cannot be given to who awaits that.
      if (name === "spawn" && what === "a promise without then") continue;
      await virtually(async () => {
        const given = withCancelScope(() => call(make));
        assert.equal(await settled(given), wanted, name);
      });
    }
    assert.deepEqual([mutex.locked, semaphore.free], [false, 1]);
  });
}

test("K17 what a call gives is a plain promise, whatever its function has returned", async () => {
  await virtually(async () => {
    for (const [name, call] of Object.entries(calls)) {
      const promise = call(() => new Query("a"));
      assert.equal(Object.getPrototypeOf(promise), Promise.prototype, name);
      assert.equal(await promise, "rows of a", name);
    }
  });
});

test("K17 a function that is run for its value is called without arguments", () =>
  virtually(async () => {
    for (const name of ["Mutex.with", "Semaphore.with", "shield", "race", "all", "any"]) {
      const counted = await calls[name]!(function count() {
        return `${arguments.length}`;
      });
      assert.equal(counted, "0", name);
    }
  }));

test("K17 functions are not called as methods of anything of ours", () =>
  virtually(async () => {
    const seen: unknown[] = [];
    function note(this: unknown): number {
      return seen.push(this);
    }
    const loser = async (): Promise<string> => (await sleep(10).catch(() => undefined), "lost");
    await race([() => 1, loser], { onLoser: note });
    await any([() => 1, loser], { onLoser: note });
    for (const call of Object.values(calls)) await call(note);
    assert.deepEqual(new Set(seen), new Set([undefined]));
    assert.equal(seen.length, 2 + Object.keys(calls).length);
  }));

test("C5 a function whose name is no string names nothing, and its deadline comes", async () => {
  for (const name of [null, 5, {}, Symbol("name")]) {
    const odd = (): Promise<void> => sleep(1000);
    Object.defineProperty(odd, "name", { value: name });
    await virtually(async () => {
      await assert.rejects(failAfter(10, odd), { message: "Timed out after 10 ms: 'main/scope'" });
      assert.equal(await moveOnAfter(10, odd), undefined);
      await withTaskGroup((group) => {
        const task = group.spawn(odd);
        assert.match(task.path, /^main\/task-\d+$/);
        task.cancel();
      });
    });
  }
});

test("R6a what a scope that nobody awaits throws on is not lost, though the scope itself had it", async () => {
  const ended = await runFile(program("thrown-on.ts"));
  // Bun gives no context with a rejection: there the second of two goes to the root.
  const twice = runtime === "bun" ? "told twice told twice told twice " : "caught caught caught ";
  assert.deepEqual(ended, { code: 0, stdout: `listener listener listener ${twice}`, stderr: "" });
});
