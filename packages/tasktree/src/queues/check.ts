/** Whether arguments are what was wanted. */
import { brief, isObject } from "../errors.ts";
import { isCount } from "../internal/count.ts";

/** @throws {RangeError} If `value` is not a whole number from 1, or Infinity. */
export function checkCount(what: string, value: unknown, label: string): void {
  if (isCount(value, 1)) return;
  throw wrong(value, what, label, "a whole number from 1, or Infinity");
}

/** @throws {RangeError} If `ms` is not a number of milliseconds more than 0. */
export function checkLeaseMs(ms: unknown, label: string): void {
  if (typeof ms === "number" && ms > 0) return;
  throw wrong(ms, "leaseMs", label, "milliseconds more than 0, or Infinity");
}

/** The option `delay`; 0 where there is none. */
export function checkedDelay(options: unknown, label: string): number {
  if (!isObject(options)) throw wrong(options, "options", label, "an object");
  const { delay } = options as { delay?: unknown };
  if (delay === undefined) return 0;
  if (typeof delay === "number" && delay >= 0 && delay < Infinity) return delay;
  throw wrong(delay, "delay", label, "milliseconds from 0");
}

/** @throws {RangeError} If `ms` is not a number of milliseconds from 0. */
export function checkedDuration(ms: unknown, label: string): void {
  if (typeof ms === "number" && ms >= 0) return;
  throw wrong(ms, "time to extend a lease by", label, "milliseconds from 0, or Infinity");
}

/** @throws {TypeError} If `fn` is given and not a function. */
export function checkCallback(what: string, fn: unknown, label: string): void {
  if (fn !== undefined && typeof fn !== "function") throw wrong(fn, what, label, "a function");
}

export function wrong(value: unknown, what: string, label: string, wanted: string): Error {
  const message = `Cannot use ${brief(value)} as ${what} of ${label}: wanted ${wanted}`;
  return typeof value === "number" ? new RangeError(message) : new TypeError(message);
}
