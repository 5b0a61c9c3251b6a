/**
 * Objects whose reads and writes are seen while a program is explored.
 *
 * A write is a lost update if the same code has read the same thing before, in an earlier step, and somebody else has
 * written it since: it was based on what is no longer true.
 */
import { currentFrame } from "../../core/current.ts";
import { brief, isObject, LostUpdateError } from "../../errors.ts";
import type { Schedule } from "./schedule.ts";
import type { Strand } from "./strands.ts";
import { functionsIn, siteIn, type Site } from "./trace.ts";

let exploring: (() => Schedule | undefined) | undefined;

export function setTracking(current: (() => Schedule | undefined) | undefined): void {
  exploring = current;
}

/** Somebody's access to a property. */
interface Access {
  readonly strand: Strand | undefined;
  readonly move: number;
  readonly functions: readonly string[];
  readonly site: Site | undefined;
}

/** What is known of a property. */
interface History {
  /** For each strand its last read since it has written last. */
  readonly reads: Map<Strand | undefined, Access>;
  lastWrite: Access | undefined;
}

let histories = new WeakMap<object, Map<PropertyKey, History>>();
/** By what they stand for, and by themselves. */
const proxies = new WeakMap<object, object>();
/** The schedule that the histories are of. */
let ofSchedule: Schedule | undefined;

/**
 * `object`, watched: while `explore` runs, a write fails the schedule that is based on a read made before an await during
 * which somebody else wrote (a lost update). Objects and arrays inside are watched too. A call of a method of a class with
 * state of its own, a `Map`, `Set` or mutex say, counts as a read and a write of it. Elsewhere it is like `object` itself.
 *
 * In code that is no task's, who has read is known only by its step and its function: give tasks to what runs side by side where
 * that is too coarse.
 *
 * Cancellation: Not a checkpoint.
 *
 * @example
 * ```ts
 * import { tracked } from "tasktree/testing";
 * import assert from "node:assert";
 * const account = tracked({ balance: 100 });
 * account.balance -= 30;
 * assert.equal(account.balance, 70);
 * ```
 */
export function tracked<T extends object>(object: T): T {
  if (!isObject(object)) throw new TypeError(`Cannot track ${brief(object)}: wanted an object`);
  let proxy = proxies.get(object);
  if (proxy === undefined) {
    proxy = new Proxy(object, isPlain(object) ? ofData : ofMethods);
    proxies.set(object, proxy);
    proxies.set(proxy, proxy);
    made(object);
  }
  return proxy as T;
}

/** Tells of `object` and of the data inside when they are seen for the first time. */
function made(object: object, known = new Set<object>()): void {
  const schedule = running();
  if (schedule === undefined || known.has(object)) return;
  known.add(object);
  schedule.accessed(object, "made");
  if (!isPlain(object)) return;
  for (const value of Object.values(object)) if (isObject(value)) made(value, known);
}

function isPlain(object: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(object);
  return prototype === Object.prototype || prototype === null || Array.isArray(object);
}

const ofData: ProxyHandler<object> = {
  get(target, key, receiver) {
    const value: unknown = Reflect.get(target, key, receiver);
    if (typeof value !== "function") read(target, key);
    const descriptor = Reflect.getOwnPropertyDescriptor(target, key);
    const isFixed = descriptor?.configurable === false && descriptor.writable === false;
    return isObject(value) && typeof value !== "function" && !isFixed ? tracked(value) : value;
  },
  has(target, key) {
    read(target, key);
    return Reflect.has(target, key);
  },
  ownKeys(target) {
    read(target, "(keys)");
    return Reflect.ownKeys(target);
  },
  set(target, key, value) {
    if (isObject(value) && isPlain(value)) made(value);
    written(target, key);
    if (!Object.hasOwn(target, key)) written(target, "(keys)");
    return Reflect.set(target, key, value);
  },
  defineProperty(target, key, descriptor) {
    written(target, key);
    return Reflect.defineProperty(target, key, descriptor);
  },
  deleteProperty(target, key) {
    written(target, key);
    written(target, "(keys)");
    return Reflect.deleteProperty(target, key);
  },
};

/** For classes with private state: their methods are called on the object itself. What these give is part of it. */
const ofMethods: ProxyHandler<object> = {
  get(target, key) {
    const whole = wholes.get(target) ?? target;
    exploring?.()?.accessed(whole, "write");
    const value: unknown = Reflect.get(target, key, target);
    if (typeof value !== "function") return value;
    return (...args: unknown[]): unknown => {
      exploring?.()?.accessed(whole, "write");
      return partOf(whole, Reflect.apply(value, target, args));
    };
  },
  set(target, key, value) {
    exploring?.()?.accessed(wholes.get(target) ?? target, "write");
    return Reflect.set(target, key, value, target);
  },
};

/** Of iterators, ends and guards that a tracked object has given: whose they are. */
const wholes = new WeakMap<object, object>();

function partOf(whole: object, part: unknown): unknown {
  if (!isObject(part) || typeof part === "function" || part instanceof Promise || isPlain(part)) return part;
  if (part !== whole && !proxies.has(part)) wholes.set(part, whole);
  return tracked(part);
}

function read(target: object, key: PropertyKey): void {
  const schedule = running();
  if (schedule === undefined) return;
  schedule.accessed(target, "read");
  const access = accessNow(schedule);
  historyOf(target, key).reads.set(access.strand, access);
}

function written(target: object, key: PropertyKey): void {
  const schedule = running();
  if (schedule === undefined) return;
  schedule.accessed(target, "write");
  const access = accessNow(schedule);
  const history = historyOf(target, key);
  const basis = basisOf(access, history);
  const { lastWrite } = history;
  if (
    basis !== undefined &&
    lastWrite !== undefined &&
    lastWrite.move > basis.move &&
    lastWrite.strand !== access.strand
  ) {
    schedule.violated(new LostUpdateError(lostUpdate(key, access, basis, lastWrite)));
  }
  history.lastWrite = access;
  // What it reads from now on is what it wrote.
  history.reads.set(access.strand, access);
}

/** The read that a write may be based on: by the same strand, or by that which started it, when it did. */
function basisOf(access: Access, history: History): Access | undefined {
  const { strand } = access;
  const own = history.reads.get(strand);
  if (own !== undefined) return own.move < access.move ? own : undefined;
  if (strand?.parent === undefined || strand.isFirst) return undefined;
  const before = history.reads.get(strand.parent);
  const isItsOwn = before?.move === strand.bornIn && before.functions.some((name) => access.functions.includes(name));
  return isItsOwn ? before : undefined;
}

function running(): Schedule | undefined {
  const schedule = exploring?.();
  if (schedule?.covers(currentFrame()) !== true) return undefined;
  if (schedule !== ofSchedule) histories = new WeakMap();
  ofSchedule = schedule;
  return schedule;
}

function accessNow(schedule: Schedule): Access {
  const { stack = "" } = new Error("access");
  return { strand: schedule.strand, move: schedule.moves, functions: functionsIn(stack), site: siteIn(stack) };
}

function historyOf(target: object, key: PropertyKey): History {
  let keys = histories.get(target);
  if (keys === undefined) histories.set(target, (keys = new Map()));
  let history = keys.get(key);
  if (history === undefined) keys.set(key, (history = { reads: new Map(), lastWrite: undefined }));
  return history;
}

function lostUpdate(key: PropertyKey, write: Access, basis: Access, other: Access): string {
  return `Lost update of '${String(key)}': ${who(write)} wrote it${at(write)} from what it had read${at(basis)}, and ${who(other)} had written it meanwhile${at(other)}`;
}

function who({ strand, functions }: Access): string {
  const task = strand?.task;
  const name = functions[0] ?? "the program";
  return task === undefined || task.path === "main" ? `'${name}'` : `task '${task.name}'`;
}

function at({ site }: Access): string {
  return site === undefined ? "" : ` at ${site.file}:${site.line}`;
}
