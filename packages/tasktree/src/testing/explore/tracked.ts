/** Objects whose reads and writes are seen while a program is explored. */
import { currentFrame } from "../../core/current.ts";
import { brief, isObject } from "../../errors.ts";
import { Barrier, Broadcast, CapacityLimiter, Channel, Condition, Latch, Mutex, Semaphore } from "../../index.ts";
import { MemoryQueue } from "../../queues/index.ts";
import { Histories } from "./lost-updates.ts";
import type { Schedule } from "./schedule.ts";

let exploring: (() => Schedule | undefined) | undefined;

export function setTracking(current: (() => Schedule | undefined) | undefined): void {
  exploring = current;
}

const proxies = new WeakMap<object, object>();
/** Of iterators, ends and guards that a tracked object has given: whose they are. */
const wholes = new WeakMap<object, object>();
let histories = new Histories();
/** The schedule that the histories are of. */
let ofSchedule: Schedule | undefined;

/**
 * `object`, watched: while `explore` runs, a write fails the schedule that is based on a read made before an await during
 * which somebody else wrote (a lost update). What is inside is watched too.
 *
 * Of data, and of classes without private members, each property is watched. Others (a `Map`, a mutex) are one thing: each
 * call of a method counts as a use of it, for telling which schedules are alike; it is no read or write that could be lost.
 * Elsewhere it is like `object` itself.
 *
 * In code that is no task's, who has read is known only by its step and its function: give tasks to what runs side by side where
 * that is too coarse.
 *
 * Cancellation: Not a checkpoint.
 *
 * @throws {TypeError} If `object` is none.
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
    proxy = new Proxy(object, isOpen(object) ? ofData : ofMethods);
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
  if (!isOpen(object)) return;
  for (const key of Reflect.ownKeys(object)) {
    const value: unknown = Reflect.getOwnPropertyDescriptor(object, key)?.value;
    if (isObject(value)) made(value, known);
  }
}

/** Whether all there is of it are its properties: no private members, nothing of the engine's. */
function isOpen(object: object): boolean {
  if (typeof object === "function") return false;
  for (let at: object | null = object; ;) {
    at = Object.getPrototypeOf(at) as object | null;
    if (at === null || at === Object.prototype || at === Array.prototype) return true;
    const maker: unknown = Object.getOwnPropertyDescriptor(at, "constructor")?.value;
    const source = typeof maker === "function" ? Function.prototype.toString.call(maker) : "#";
    if (/\[native code\]|#[\w$]/.test(source)) return false;
  }
}

const ofData: ProxyHandler<object> = {
  get(target, key, receiver) {
    const value: unknown = Reflect.get(target, key, receiver);
    const own = Reflect.getOwnPropertyDescriptor(target, key);
    if (typeof value !== "function" || own !== undefined) read(target, key);
    const isFixed = own?.configurable === false && own.writable === false;
    return isObject(value) && typeof value !== "function" && !isFixed ? tracked(value) : value;
  },
  has(target, key) {
    read(target, key);
    return Reflect.has(target, key);
  },
  ownKeys(target) {
    used(target, "read");
    return Reflect.ownKeys(target);
  },
  getOwnPropertyDescriptor(target, key) {
    read(target, key);
    return Reflect.getOwnPropertyDescriptor(target, key);
  },
  set(target, key, value, receiver) {
    if (proxies.get(target) !== receiver) return Reflect.set(target, key, value, receiver);
    if (isObject(value)) made(value);
    written(target, key);
    // A setter of a class goes on with the proxy; a property is set on the object itself.
    return hasSetter(target, key) ? Reflect.set(target, key, value, receiver) : Reflect.set(target, key, value);
  },
  defineProperty(target, key, descriptor) {
    if (isObject(descriptor.value)) made(descriptor.value);
    written(target, key);
    return Reflect.defineProperty(target, key, descriptor);
  },
  deleteProperty(target, key) {
    written(target, key);
    return Reflect.deleteProperty(target, key);
  },
};

function hasSetter(target: object, key: PropertyKey): boolean {
  for (let at: object | null = target; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    const descriptor = Reflect.getOwnPropertyDescriptor(at, key);
    if (descriptor !== undefined) return descriptor.set !== undefined;
  }
  return false;
}

/** For what has private state: methods are called on the object itself. What they give is part of it. */
const ofMethods: ProxyHandler<object> = {
  get(target, key, receiver) {
    const whole = wholeOf(target);
    used(whole, "write");
    const value: unknown = Reflect.get(target, key, target);
    const own = Reflect.getOwnPropertyDescriptor(target, key);
    if (own?.configurable === false && own.writable === false) return value;
    if (typeof value !== "function" || key === "constructor") return partOf(whole, value);
    return (...args: unknown[]): unknown => {
      const result = calledOn(whole, () => Reflect.apply(value, target, args) as unknown);
      return result === target ? receiver : result;
    };
  },
  set(target, key, value) {
    used(wholeOf(target), "write");
    return Reflect.set(target, key, value, target);
  },
  apply(target, self, args) {
    return calledOn(wholeOf(target), () => Reflect.apply(target as () => unknown, self, args));
  },
};

function wholeOf(target: object): object {
  return wholes.get(target) ?? target;
}

function calledOn(whole: object, call: () => unknown): unknown {
  used(whole, "write");
  const result = call();
  if (!(result instanceof Promise)) return partOf(whole, result);
  // What a method of its own goes on to do is not seen, so all that happens until its end may be its doing.
  const schedule = primitives.some((primitive) => whole instanceof primitive) ? undefined : running();
  return schedule === undefined ? result : schedule.during(whole, result as Promise<unknown>);
}

/** They tell of what they do themselves, by their lines of waiters. */
const primitives = [Barrier, Broadcast, CapacityLimiter, Channel, Condition, Latch, Mutex, Semaphore, MemoryQueue];

function partOf(whole: object, part: unknown): unknown {
  if (!isObject(part) || typeof part === "function") return part;
  if (part !== whole && !proxies.has(part)) wholes.set(part, whole);
  return tracked(part);
}

function used(thing: object, access: "read" | "write"): void {
  running()?.accessed(wholeOf(thing), access);
}

function read(target: object, key: PropertyKey): void {
  const schedule = running();
  if (schedule === undefined) return;
  schedule.accessed(wholeOf(target), "read");
  histories.read(target, key, schedule.strand, schedule.moves);
}

function written(target: object, key: PropertyKey): void {
  const schedule = running();
  if (schedule === undefined) return;
  schedule.accessed(wholeOf(target), "write");
  const lost = histories.written(target, key, schedule.strand, schedule.moves);
  if (lost !== undefined) schedule.lostUpdate(lost);
}

function running(): Schedule | undefined {
  const schedule = exploring?.();
  if (schedule?.covers(currentFrame()) !== true) return undefined;
  if (schedule !== ofSchedule) histories = new Histories();
  ofSchedule = schedule;
  return schedule;
}
