/** Whether arguments are what was wanted; the errors name the value and the place on the tree. */
import { brief, checkOptions as checkObject, isObject } from "../errors.ts";
import type { ScopeNode } from "./scope.ts";

/** @throws {TypeError} If `fn` is not a function. */
export function checkFunction(what: string, fn: unknown, scope: ScopeNode): void {
  if (typeof fn === "function") return;
  const hint =
    isObject(fn) && typeof (fn as { then?: unknown }).then === "function"
      ? ", which has already started: pass a function"
      : "";
  throw new TypeError(`Cannot ${what} in '${scope.path}': ${brief(fn)} is not a function${hint}`);
}

/** @throws {TypeError} If `options` are not an object with options. */
export function checkOptions(what: string, options: unknown, node?: ScopeNode): void {
  if (typeof options === "object" && options !== null) return; // the path costs more than the rest of a scope
  checkObject(`${what}${within(node)}`, options);
}

/** @throws {RangeError} If a grace is given that is not a number of milliseconds from 0. */
export function checkGrace(grace: unknown, node?: ScopeNode): void {
  if (grace === undefined || (typeof grace === "number" && grace >= 0)) return;
  throw new RangeError(`Cannot use ${brief(grace)} as grace${within(node)}: wanted milliseconds from 0 to Infinity`);
}

/** @throws {TypeError} If a name is given that is not a string. */
export function checkName(name: unknown, parent: ScopeNode): void {
  if (typeof name !== "string") {
    throw new TypeError(`Cannot use ${brief(name)} as name${within(parent)}: wanted a string`);
  }
}

/** A function's name, for a task or scope; a property of that name may be anything. */
export function nameOfFunction({ name }: { readonly name: unknown }): string {
  return typeof name === "string" ? name : "";
}

/** @throws {RangeError} If `ms` is not a number of milliseconds. */
export function checkMilliseconds(what: string, ms: unknown, node: ScopeNode | undefined): asserts ms is number {
  if (isTime(ms)) return;
  throw refusedTime(ms, `milliseconds of ${what}${within(node)}: wanted a number, or Infinity`);
}

/** @throws {RangeError} If `deadline` is not a time. */
export function checkDeadline(deadline: unknown, node: ScopeNode): asserts deadline is number {
  if (isTime(deadline)) return;
  throw refusedTime(deadline, `deadline${within(node)}: wanted a time on the run's clock, or Infinity`);
}

function isTime(value: unknown): boolean {
  return typeof value === "number" && !Number.isNaN(value);
}

function refusedTime(value: unknown, wanted: string): Error {
  const message = `Cannot use ${brief(value)} as ${wanted}`;
  return typeof value === "number" ? new RangeError(message) : new TypeError(message);
}

/** " in 'main/worker-3'", for an error message. */
export function within(node: ScopeNode | undefined): string {
  return node === undefined ? "" : ` in '${node.path}'`;
}
