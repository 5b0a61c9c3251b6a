/**
 * Calls everything that the doors export with wrong and odd arguments, each call in a run of its own in virtual time: it gives
 * something, waits until it is cancelled, or throws an error that somebody wrote. Never one of the engine's, never a
 * rejection that nobody handles, never a call that does not end.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { currentScope, moveOnAfter, run } from "tasktree";
import { VirtualClock } from "tasktree/testing";
import { randomFrom } from "../../packages/tasktree/test/random.ts";
import { filesIn, root } from "../source.ts";
import { counted, goesOn, type Effort, type Finding } from "./finding.ts";
import { doors, spared, subjects, type Subject } from "./subjects.ts";
import { errorsIn } from "./sweep.ts";
import { Boom, shownValue, valueFrom } from "./values.ts";

/** About so many methods a thing has. */
const methodsEach = 8;
const calls = { short: 3000, long: 20_000 };
/** A call that waits is cancelled then: past every number of milliseconds among the values but the ones for ever. */
const patience = 2 ** 41;
/** How long a call may take in real time. */
const longestCall = 10_000;
/** What is being done, in case it never ends. */
const current = join(root, ".cache/prove/current-call.txt");

/** Something to call, and what with. */
export interface Call {
  readonly what: string;
  call(args: readonly unknown[]): unknown;
}

/** Makes a call ready. */
export type Target = () => Call | Promise<Call>;

/** Everything there is to call */
export function targets(): Target[] {
  return [...exportedOnes(), ...subjects.flatMap(membersOf)];
}

function* exportedOnes(): Iterable<() => Call> {
  const seen = new Set<unknown>();
  for (const [door, module] of Object.entries(doors)) {
    for (const [name, value] of Object.entries(module)) {
      if (typeof value !== "function" || name in spared || seen.has(value)) continue;
      seen.add(value);
      const isClass = /^class\b/.test(String(value));
      // what can be a message is the platform's rule
      const first = Error.isPrototypeOf(value) && name !== "CancelledError" ? ["message"] : [];
      const what = `${isClass ? "new " : ""}${name} of ${door}`;
      yield () => ({
        what,
        call: (args) =>
          isClass ? Reflect.construct(value, [...first, ...args]) : Reflect.apply(value, undefined, args),
      });
    }
  }
}

function membersOf({ name, make, members }: Subject): Target[] {
  if (members !== undefined) return members.map((member) => () => callOf(name, make, member));
  // What it has is seen when there is one: each time another of its methods.
  let turn = 0;
  return Array.from({ length: methodsEach }, () => () => callOfAny(name, make, turn++));
}

/** A task is a thenable: it must not be awaited by the way. */
async function one(make: Subject["make"]): Promise<{ readonly it: object }> {
  const made = make();
  return { it: made instanceof Promise ? await made : made };
}

async function callOfAny(name: string, make: Subject["make"], turn: number): Promise<Call> {
  const subject = (await one(make)).it;
  const keys = methodsOf(subject);
  const key = keys[turn % keys.length]!;
  return {
    what: `${name}.${String(key)}`,
    call: (args) => Reflect.apply((subject as never)[key], subject, args),
  };
}

async function callOf(name: string, make: Subject["make"], member: string): Promise<Call> {
  const subject = (await one(make)).it as Record<PropertyKey, unknown>;
  const what = `${name}.${member}`;
  if (member.endsWith("="))
    return { what, call: ([value]) => Reflect.set(subject, member.slice(0, -1), value, subject) };
  const key = member === "@@asyncDispose" ? Symbol.asyncDispose : member;
  return {
    what,
    call: (args) => (typeof subject[key] === "function" ? Reflect.apply(subject[key], subject, args) : subject[key]),
  };
}

/** The names of methods that are marked `@internal`. */
const internal: ReadonlySet<PropertyKey> = new Set(
  filesIn(join(root, "packages/tasktree/src"), "**/*.ts")
    .map((file) => readFileSync(join(root, "packages/tasktree/src", file), "utf8"))
    .flatMap((text) => [...text.matchAll(/@internal \*\/\n\s+(?:async |get )?(\w+)\(/g)].map(([, name]) => name!)),
);

function methodsOf(subject: object): PropertyKey[] {
  const found = new Set<PropertyKey>();
  for (
    let at: object | null = subject;
    at !== null && at !== Object.prototype;
    at = Object.getPrototypeOf(at) as object | null
  ) {
    for (const key of Reflect.ownKeys(at)) {
      const isMethod = typeof Object.getOwnPropertyDescriptor(at, key)?.value === "function";
      if (isMethod && key !== "constructor" && !internal.has(key)) found.add(key);
    }
  }
  return [...found];
}

// Not `arguments`: strict code has no such name.
export async function wrongArguments(effort: Effort): Promise<Finding> {
  const all = targets();
  const least = calls[effort.isShort ? "short" : "long"];
  const faults = new Set<string>();
  const began = performance.now();
  using caller = new Caller();
  let count = 0;
  for (; count < least || goesOn(effort, began); count++) {
    const random = randomFrom(effort.seed * 1_000_003 + count);
    const args = Array.from({ length: random(4) }, () => valueFrom(random));
    const fault = await caller.call(all[count % all.length]!, args);
    if (fault !== undefined) faults.add(fault);
  }
  return {
    figure: `${counted(count, "call")} of ${all.length} exported functions, classes and kinds of things with methods`,
    faults: [...faults],
  };
}

/** Makes calls, and tells what was wrong with how each went. */
export class Caller implements Disposable {
  readonly #longest: number;
  readonly #made = new MadeErrors();
  readonly #strays = new Strays();

  /** @param longest How long a call may take in real time, in milliseconds. */
  constructor(longest: number = longestCall) {
    this.#longest = longest;
    mkdirSync(dirname(current), { recursive: true });
  }

  async call(target: Target, args: readonly unknown[]): Promise<string | undefined> {
    let description = "a call";
    const thrown: unknown[] = [];
    const ending = runCall(async () => {
      const { what, call } = await target();
      description = `${what}(${args.map((arg) => shownValue(arg)).join(", ")})`;
      writeFileSync(current, description);
      await waitFor(what, () => call(args)).catch((error: unknown) => void thrown.push(error));
      currentScope().cancel(); // what it has begun and what lives on
    }).catch((error: unknown) => void thrown.push(error));
    const isOver = await endsWithin(this.#longest, ending);
    await new Promise(setImmediate);
    const stray = this.#strays.take();
    if (!isOver) return `${description} does not end`;
    if (stray !== undefined && !isTheirs(stray, description))
      return `${description} leaves a rejection that nobody handles: ${shownError(stray)}`;
    const raw = thrown.flatMap((error) => errorsIn(error)).find((error) => this.#made.isTheEngines(error));
    return raw === undefined ? undefined : `${description} gives an error of the engine: ${shownError(raw)}`;
  }

  [Symbol.dispose](): void {
    this.#made.restore();
    this.#strays.stop();
  }
}

/** What comes of a call, or the cancellation of it if it waits. */
async function waitFor(what: string, call: () => unknown): Promise<void> {
  await moveOnAfter(patience, async () => {
    const result = call();
    // What it was given may come back, and never settle.
    if (!what.startsWith("tracked ")) await settled(result);
  });
}

/** A promise of the caller's that nobody asked for goes where every promise without an owner goes (rule R6). */
function isTheirs(stray: unknown, description: string): boolean {
  return stray instanceof Boom && description.startsWith("Task.onEnd(async");
}

function runCall(main: () => Promise<void>): Promise<void> {
  return run(main, { clock: new VirtualClock(), host: false, grace: 1000 });
}

/** What a caller would do with what it got: await it, go through some of it. */
async function settled(result: unknown): Promise<void> {
  const value = await (result as PromiseLike<unknown>);
  if (typeof value !== "object" || value === null || value instanceof Boom) return;
  const iterate = (value as Partial<AsyncIterable<unknown>>)[Symbol.asyncIterator];
  if (typeof iterate !== "function") return;
  let count = 0;
  for await (const _ of value as AsyncIterable<unknown>) if (++count === 3) break;
}

function endsWithin(ms: number, ending: Promise<void>): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), ms);
    void ending.then(() => (clearTimeout(timer), resolve(true)));
  });
}

function shownError(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message).split("\n").slice(0, 4).join("\n") : shownValue(error);
}

/** Tells the TypeErrors and so on that code makes from those that the engine throws: it does not ask for the globals. */
class MadeErrors {
  readonly kinds = [TypeError, RangeError, ReferenceError, SyntaxError, URIError];
  readonly #made = new WeakSet();

  constructor() {
    const made = this.#made;
    for (const kind of this.kinds) {
      const construct = (target: typeof TypeError, args: unknown[], newTarget: () => void): Error => {
        const error = Reflect.construct(target, args, newTarget) as Error;
        made.add(error);
        return error;
      };
      (globalThis as unknown as Record<string, unknown>)[kind.name] = new Proxy(kind, {
        construct,
      });
    }
  }

  isTheEngines(error: unknown): boolean {
    return this.kinds.some((kind) => error instanceof kind) && !this.#made.has(error as object);
  }

  restore(): void {
    for (const kind of this.kinds) (globalThis as unknown as Record<string, unknown>)[kind.name] = kind;
  }
}

/** What comes to the process instead of to a caller. */
class Strays {
  readonly #found: unknown[] = [];
  readonly #told = console.error;
  readonly #note = (error: unknown): void => void this.#found.push(error);

  constructor() {
    process.on("unhandledRejection", this.#note).on("uncaughtException", this.#note);
    console.error = () => undefined; // instruments that throw are told of there
  }

  take(): unknown {
    return this.#found.splice(0)[0];
  }

  stop(): void {
    process.off("unhandledRejection", this.#note).off("uncaughtException", this.#note);
    console.error = this.#told;
  }
}
