/**
 * Every error class of tasktree.
 *
 * `name` and `code` are literals, so that they survive minifiers. A brand under `Symbol.for` backs `instanceof`, so that
 * an error is recognised by another copy of the package too (one in a worker's bundle, say).
 */

const suppressedKey: unique symbol = Symbol.for("tasktree.suppressed") as never;

/** Errors beyond this many are counted, not kept. */
const suppressedLimit = 100;

class BrandedError extends Error {
  static override [Symbol.hasInstance](value: unknown): boolean {
    const brand: unknown = Object.hasOwn(this, "brand") ? (this as { brand?: unknown }).brand : undefined;
    if (typeof brand !== "symbol")
      return Function.prototype[Symbol.hasInstance].call<unknown, [unknown], boolean>(this, value);
    try {
      return typeof value === "object" && value !== null && brand in value;
    } catch {
      return false;
    }
  }

  constructor(name: string, code: string, message: string, cause: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    define(this, "name", name);
    define(this, "code", code);
  }
}

function define(target: object, key: string | symbol, value: unknown, enumerable = false): void {
  Object.defineProperty(target, key, { value, enumerable, writable: true, configurable: true });
}

/** Why a scope was cancelled. */
export type CancelWhy = "explicit" | "deadline" | "sibling failed" | "parent" | "signal" | "shutdown" | "deadlock";

/** What {@link CancelledError} tells about its cancellation. */
export interface CancelledDetails {
  readonly why: CancelWhy;
  readonly scope: string;
  readonly reason?: unknown;
}

/**
 * Control flow: the scope named in `scope` was cancelled, and what runs inside is on its way out.
 *
 * One object per cancellation, shared by everything that it reaches. Rethrow it untouched. Its `name` is "AbortError" and
 * its `code` "ABORT_ERR", as for a cancelled `fetch`.
 */
export class CancelledError extends BrandedError {
  static readonly brand: unique symbol = Symbol.for("tasktree.CancelledError") as never;
  declare readonly code: "ABORT_ERR";
  /** Why the scope was cancelled. */
  readonly why: CancelWhy;
  /** The cancelled scope's path. */
  readonly scope: string;
  /** What was given to `cancel(reason)`, the failed sibling's error, or the foreign signal's reason. */
  readonly reason: unknown;

  constructor(details: CancelledDetails) {
    checkOptions("make a CancelledError", details);
    const reason = details.reason === undefined ? "" : `: ${brief(details.reason)}`;
    super(
      "AbortError",
      "ABORT_ERR",
      `Scope '${details.scope}' was cancelled (${details.why})${reason}`,
      details.reason,
    );
    this.why = details.why;
    this.scope = details.scope;
    this.reason = details.reason;
  }
}

/** What you waited for was cancelled, and you were not: an ordinary error. `cause` is the {@link CancelledError}. */
export class WorkCancelledError extends BrandedError {
  static readonly brand: unique symbol = Symbol.for("tasktree.WorkCancelledError") as never;
  declare readonly code: "TASKTREE_WORK_CANCELLED";
  /** Why the work was cancelled. */
  readonly why: CancelWhy;

  constructor(message: string, options: { cause?: unknown; why?: CancelWhy } = {}) {
    super("WorkCancelledError", "TASKTREE_WORK_CANCELLED", message, checked("WorkCancelledError", options).cause);
    this.why = options.why ?? (options.cause instanceof CancelledError ? options.cause.why : "explicit");
  }
}

/** A deadline passed before the work was done. */
export class TimeoutError extends BrandedError {
  static readonly brand: unique symbol = Symbol.for("tasktree.TimeoutError") as never;
  declare readonly code: "TASKTREE_TIMEOUT";
  /** The deadline that passed, in milliseconds on the run's clock. */
  readonly deadline: number;

  constructor(message: string, options: { deadline: number; cause?: unknown }) {
    super("TimeoutError", "TASKTREE_TIMEOUT", message, checked("TimeoutError", options).cause);
    this.deadline = options.deadline;
  }
}

/** The call does not fit the state of its object: your side is wrong. */
export class InvalidStateError extends BrandedError {
  static readonly brand: unique symbol = Symbol.for("tasktree.InvalidStateError") as never;
  declare readonly code: "TASKTREE_INVALID_STATE";

  constructor(message: string, options: { cause?: unknown } = {}) {
    super("InvalidStateError", "TASKTREE_INVALID_STATE", message, checked("InvalidStateError", options).cause);
  }
}

/** Your side has closed this before, or while, it was used. `cause` is what it was closed with, if anything. */
export class ClosedError extends BrandedError {
  static readonly brand: unique symbol = Symbol.for("tasktree.ClosedError") as never;
  declare readonly code: "TASKTREE_CLOSED";

  constructor(message: string, options: { cause?: unknown } = {}) {
    super("ClosedError", "TASKTREE_CLOSED", message, checked("ClosedError", options).cause);
  }
}

/** The other side is gone, or has left this in a state that nobody can vouch for. */
export class BrokenError extends BrandedError {
  static readonly brand: unique symbol = Symbol.for("tasktree.BrokenError") as never;
  declare readonly code: "TASKTREE_BROKEN";

  constructor(message: string, options: { cause?: unknown } = {}) {
    super("BrokenError", "TASKTREE_BROKEN", message, checked("BrokenError", options).cause);
  }
}

/** Everything was received, and nothing more will come. */
export class EndOfStream extends BrandedError {
  static readonly brand: unique symbol = Symbol.for("tasktree.EndOfStream") as never;
  declare readonly code: "TASKTREE_END_OF_STREAM";

  constructor(message: string, options: { cause?: unknown } = {}) {
    super("EndOfStream", "TASKTREE_END_OF_STREAM", message, checked("EndOfStream", options).cause);
  }
}

/** Somebody else is at it, and only one can be at a time. */
export class BusyError extends BrandedError {
  static readonly brand: unique symbol = Symbol.for("tasktree.BusyError") as never;
  declare readonly code: "TASKTREE_BUSY";

  constructor(message: string, options: { cause?: unknown } = {}) {
    super("BusyError", "TASKTREE_BUSY", message, checked("BusyError", options).cause);
  }
}

/** The other side has ended in the middle of what was to be read. What had come is still there to be read. */
export class IncompleteReadError extends BrandedError {
  static readonly brand: unique symbol = Symbol.for("tasktree.IncompleteReadError") as never;
  declare readonly code: "TASKTREE_INCOMPLETE_READ";
  /** What had come, and is still there. */
  readonly partial: Uint8Array;
  /** How many bytes were wanted; undefined if that many up to a delimiter. */
  readonly expected: number | undefined;

  constructor(message: string, options: { partial: Uint8Array; expected?: number | undefined; cause?: unknown }) {
    super("IncompleteReadError", "TASKTREE_INCOMPLETE_READ", message, checked("IncompleteReadError", options).cause);
    this.partial = options.partial;
    this.expected = options.expected;
  }
}

/** Something is larger than you allow: a line, a message, what a program prints. */
export class LimitExceededError extends BrandedError {
  static readonly brand: unique symbol = Symbol.for("tasktree.LimitExceededError") as never;
  declare readonly code: "TASKTREE_LIMIT_EXCEEDED";
  /** The limit, in what it counts: bytes, unless the message says otherwise. */
  readonly limit: number;

  constructor(message: string, options: { limit: number; cause?: unknown }) {
    super("LimitExceededError", "TASKTREE_LIMIT_EXCEEDED", message, checked("LimitExceededError", options).cause);
    this.limit = options.limit;
  }
}

/** What {@link ProcessError} tells about its process. */
export interface ProcessDetails {
  readonly command: string;
  readonly exitCode?: number | undefined;
  readonly signal?: string | undefined;
  readonly stdout?: string | Uint8Array;
  readonly stderr?: string | Uint8Array;
  readonly cause?: unknown;
}

/** A process could not be started (`cause` is the system's error), or has ended with another exit code than 0. */
export class ProcessError extends BrandedError {
  static readonly brand: unique symbol = Symbol.for("tasktree.ProcessError") as never;
  declare readonly code: "TASKTREE_PROCESS";
  /** What was to be run. */
  readonly command: string;
  /** Undefined if a signal has ended it, or it was not started. */
  readonly exitCode: number | undefined;
  /** The signal that has ended it. */
  readonly signal: string | undefined;
  /** What it has printed, as far as that was collected. */
  declare readonly stdout: string | Uint8Array;
  /** What it has printed to standard error, as far as that was collected. */
  declare readonly stderr: string | Uint8Array;

  constructor(message: string, details: ProcessDetails) {
    super("ProcessError", "TASKTREE_PROCESS", message, checked("ProcessError", details).cause);
    this.command = details.command;
    this.exitCode = details.exitCode;
    this.signal = details.signal;
    // Not enumerable, so that who logs the error does not log megabytes.
    define(this, "stdout", details.stdout ?? "");
    define(this, "stderr", details.stderr ?? "");
  }
}

/** What was asked of an HTTP client may not be done, or leads nowhere, however often it is tried; `cause` says more, if anything. */
export class HttpError extends BrandedError {
  static readonly brand: unique symbol = Symbol.for("tasktree.HttpError") as never;
  declare readonly code: "TASKTREE_HTTP";

  constructor(message: string, options: { cause?: unknown } = {}) {
    super("HttpError", "TASKTREE_HTTP", message, checked("HttpError", options).cause);
  }
}

/** What {@link HttpStatusError} tells about the answer. */
export interface HttpStatusDetails {
  readonly status: number;
  readonly method: string;
  readonly url: string;
  readonly cause?: unknown;
}

/** A server has answered with a status other than 2xx, where success was asked for. */
export class HttpStatusError extends BrandedError {
  static readonly brand: unique symbol = Symbol.for("tasktree.HttpStatusError") as never;
  declare readonly code: "TASKTREE_HTTP_STATUS";
  readonly status: number;
  readonly method: string;
  /** Of the last of the redirects, if there were any; with its query, which the message leaves out. */
  readonly url: string;

  constructor(message: string, details: HttpStatusDetails) {
    super("HttpStatusError", "TASKTREE_HTTP_STATUS", message, checked("HttpStatusError", details).cause);
    this.status = details.status;
    this.method = details.method;
    this.url = details.url;
  }
}

/** What waits can never be woken. `report` names every task and what it waits for. */
export class DeadlockError extends BrandedError {
  static readonly brand: unique symbol = Symbol.for("tasktree.DeadlockError") as never;
  declare readonly code: "TASKTREE_DEADLOCK";
  /** Every task, what it waits for, who holds it, and the cycle if there is one. */
  readonly report: string;

  constructor(message: string, options: { report?: string; cause?: unknown } = {}) {
    super("DeadlockError", "TASKTREE_DEADLOCK", message, checked("DeadlockError", options).cause);
    this.report = options.report ?? "";
  }
}

/** A task did not end when its grace was over, and is no longer waited for. */
export class StuckTaskError extends BrandedError {
  static readonly brand: unique symbol = Symbol.for("tasktree.StuckTaskError") as never;
  declare readonly code: "TASKTREE_STUCK_TASK";
  /** The path of the task that was given up. */
  readonly task: string;

  constructor(message: string, options: { task: string; cause?: unknown }) {
    super("StuckTaskError", "TASKTREE_STUCK_TASK", message, checked("StuckTaskError", options).cause);
    this.task = options.task;
  }
}

/** `explore` has found a schedule in which the program fails; `cause` is what it fails with. */
export class ScheduleError extends BrandedError {
  static readonly brand: unique symbol = Symbol.for("tasktree.ScheduleError") as never;
  declare readonly code: "TASKTREE_SCHEDULE";
  /** What replays it, in the environment as TASKTREE_REPLAY. */
  readonly replay: string;
  /** What goes on when, a column for each strand of the program. */
  readonly interleaving: string;
  /** How many schedules were tried until it was found. */
  readonly schedules: number;

  constructor(message: string, options: { replay: string; interleaving: string; schedules: number; cause?: unknown }) {
    super("ScheduleError", "TASKTREE_SCHEDULE", message, checked("ScheduleError", options).cause);
    this.replay = options.replay;
    this.interleaving = options.interleaving;
    this.schedules = options.schedules;
  }
}

/** Something tracked was written on the ground of what somebody else had changed meanwhile. */
export class LostUpdateError extends BrandedError {
  static readonly brand: unique symbol = Symbol.for("tasktree.LostUpdateError") as never;
  declare readonly code: "TASKTREE_LOST_UPDATE";

  constructor(message: string) {
    super("LostUpdateError", "TASKTREE_LOST_UPDATE", message, undefined);
  }
}

/** Thrown by a `failpoint`, in the schedules in which `explore` lets it fail. */
export class InjectedError extends BrandedError {
  static readonly brand: unique symbol = Symbol.for("tasktree.InjectedError") as never;
  declare readonly code: "TASKTREE_INJECTED";

  constructor(message: string) {
    super("InjectedError", "TASKTREE_INJECTED", message, undefined);
  }
}

/** A run in a test has left something over. */
export class LeakError extends BrandedError {
  static readonly brand: unique symbol = Symbol.for("tasktree.LeakError") as never;
  declare readonly code: "TASKTREE_LEAK";
  /** What is left, one line each. */
  readonly leaks: readonly string[];

  constructor(leaks: readonly string[]) {
    const list = leaks.map((leak) => `\n- ${leak}`).join("");
    super("LeakError", "TASKTREE_LEAK", `Left over when everything had ended: ${leaks.length}${list}`, undefined);
    this.leaks = leaks;
  }
}

for (const type of [
  CancelledError,
  WorkCancelledError,
  TimeoutError,
  InvalidStateError,
  ClosedError,
  BrokenError,
  EndOfStream,
  BusyError,
  IncompleteReadError,
  LimitExceededError,
  ProcessError,
  HttpError,
  HttpStatusError,
  DeadlockError,
  StuckTaskError,
  ScheduleError,
  LostUpdateError,
  InjectedError,
  LeakError,
]) {
  define(type.prototype, type.brand, true);
}

/**
 * Whether `error` is tasktree's control flow, to be rethrown and never retried.
 *
 * @example
 * ```ts
 * import { isCancelled, sleep } from "tasktree";
 * try {
 *   await sleep(1);
 * } catch (error) {
 *   if (isCancelled(error)) throw error;
 * }
 * ```
 */
export function isCancelled(error: unknown): error is CancelledError {
  return error instanceof CancelledError;
}

interface Suppressed {
  readonly errors: unknown[];
  dropped: number;
}

/** For errors that are frozen. */
const sideTable = new WeakMap<object, Suppressed>();

/**
 * The errors that happened beside `error` and would have been lost, in order, nested ones included, each once.
 *
 * They also stand on the error itself under `Symbol.for("tasktree.suppressed")`, so that a logged error shows them.
 */
export function suppressedErrors(error: unknown): unknown[] {
  const found = new Set<unknown>();
  const pending: unknown[] = [error];
  while (pending.length > 0) {
    const next = pending.pop();
    if (next !== error) {
      if (found.has(next)) continue;
      found.add(next);
    }
    pending.push(...suppressedBy(next).toReversed());
  }
  found.delete(error);
  return [...found];
}

/** How many errors beyond the limit of 100 were suppressed on `error`, and only counted. */
export function droppedErrors(error: unknown): number {
  return isObject(error) ? (sideTable.get(error)?.dropped ?? 0) : 0;
}

/** Keeps `error` with `primary`; tells whether it was new there. @internal */
export function suppress(primary: object, error: unknown): boolean {
  if (error === primary || causes(error, primary)) return false;
  let record = sideTable.get(primary);
  if (record === undefined) {
    record = { errors: [], dropped: 0 };
    sideTable.set(primary, record);
    show(primary, record.errors);
  }
  if (record.errors.includes(error)) return false;
  if (record.errors.length < suppressedLimit) record.errors.push(error);
  else record.dropped++;
  return true;
}

/** A proxy may refuse even the question: the side table has the list all the same. */
function show(primary: object, errors: readonly unknown[]): void {
  try {
    if (Object.isExtensible(primary)) define(primary, suppressedKey, errors, true);
  } catch {
    // as for a frozen one
  }
}

function suppressedBy(error: unknown): readonly unknown[] {
  if (!isObject(error)) return [];
  const listed: unknown = sideTable.get(error)?.errors ?? (error as { [suppressedKey]?: unknown })[suppressedKey];
  return Array.isArray(listed) ? listed : [];
}

/** Whether `error`'s chain of causes holds `target`. @internal */
export function causes(error: unknown, target: unknown): boolean {
  for (let link = 0, cause = causeOf(error); link < 8 && cause !== undefined; link++, cause = causeOf(cause)) {
    if (cause === target) return true;
  }
  return false;
}

/** @internal */
export function causeOf(error: unknown): unknown {
  try {
    return isObject(error) ? (error as { cause?: unknown }).cause : undefined;
  } catch {
    return undefined;
  }
}

/** @internal */
export function isObject(value: unknown): value is object {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

/** @throws {TypeError} If `options` are not an object with options. @internal */
export function checkOptions(what: string, options: unknown): asserts options is object {
  if (typeof options === "object" && options !== null) return;
  throw new TypeError(`Cannot ${what} with ${brief(options)}: wanted an object with options`);
}

function checked<T extends object>(name: string, details: T): T {
  checkOptions(`make a ${name}`, details);
  return details;
}

/** A value as an error message shows it: short, and never throwing. @internal */
export function brief(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value);
  if (typeof value === "bigint") return `${value}n`;
  if (!isObject(value)) return String(value);
  try {
    if (typeof value === "function") return `function ${value.name || "(anonymous)"}`;
    if (value instanceof Error) return `${value.name}: ${value.message}`;
    if (typeof (value as { then?: unknown }).then === "function") return "a promise";
    return Array.isArray(value)
      ? `an array of ${value.length}`
      : `an object (${value.constructor?.name ?? "no class"})`;
  } catch {
    return typeof value === "function" ? "a function" : "an object";
  }
}
