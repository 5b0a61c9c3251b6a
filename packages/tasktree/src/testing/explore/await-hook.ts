/**
 * Seeing every `await` of a native promise, in code that has never heard of tasktree.
 *
 * `await p` continues without calling `then` only while `p.constructor === Promise` (ECMAScript, PromiseResolve). While a
 * getter gives another constructor there, the language wraps `p` in a new promise and calls `p.then`, in the awaiter's
 * async context: a patched `then` sees it. What it can't see: an await of something that is no promise, and explicit
 * reactions with one handler only.
 *
 * Process-global while installed, so it is for tests. Reactions are never called directly, since they may throw: the
 * awaiter gets a promise of its own that settles when the scheduler says so.
 */
import { currentFrame, type Frame } from "../../core/current.ts";
import { InvalidStateError } from "../../errors.ts";

/** A continuation that waits for its turn. */
export interface Continuation {
  /** Lets it go on. */
  resume(): void;
}

/** Told of each await; gives what the awaiter is to wait for in place of `promise`, or undefined to leave it alone. */
export type OnAwait = (promise: Promise<unknown>, frame: Frame) => Promise<unknown> | undefined;

const Native = Promise;
const nativeThen: Promise<unknown>["then"] = Native.prototype.then;
const nativeResolve = Object.getOwnPropertyDescriptor(Native, "resolve")!;
const nativeConstructor = Object.getOwnPropertyDescriptor(Native.prototype, "constructor")!;

/** What promises seem to be made by: all of the real one, and not equal to it. */
class Facade<T> extends Native<T> {
  static override get [Symbol.species](): PromiseConstructor {
    return Native;
  }
}
void Object.defineProperty(Facade, "name", { value: "Promise" });

let installed: OnAwait | undefined;
/** What stood there when the hook was installed: others may have patched it too. */
let replaced: PropertyDescriptor = Object.getOwnPropertyDescriptor(Native.prototype, "then")!;

/** Reacts to a promise unseen by the hook. */
export function react<T>(promise: Promise<T>, onValue: (value: T) => void, onError: (error: unknown) => void): void {
  void nativeThen.call(promise, onValue as (value: unknown) => void, onError);
}

/** A promise that settles as `promise` does, after `over` was called; unseen by the hook. */
export function follow<T>(promise: Promise<T>, over: () => void): Promise<T> {
  return nativeThen.call(
    promise,
    (value: unknown) => {
      over();
      return value;
    },
    (error: unknown) => {
      over();
      throw error;
    },
  ) as Promise<T>;
}

/**
 * Calls `onAwait` for every await of a native promise in tasktree's context, until the returned function is called.
 *
 * @throws {InvalidStateError} If it is installed already.
 */
export function installAwaitHook(onAwait: OnAwait): () => void {
  if (installed !== undefined) throw new InvalidStateError("Cannot hook into awaits: somebody has already");
  installed = onAwait;
  replaced = Object.getOwnPropertyDescriptor(Native.prototype, "then")!;
  void Object.defineProperty(Native, "resolve", { ...nativeResolve, value: hookedResolve });
  void Object.defineProperty(Native.prototype, "constructor", { configurable: true, get: () => Facade });
  void Object.defineProperty(Native.prototype, "then", { configurable: true, writable: true, value: hookedThen });
  return () => {
    installed = undefined;
    void Object.defineProperty(Native.prototype, "then", replaced);
    void Object.defineProperty(Native, "resolve", nativeResolve);
    void Object.defineProperty(Native.prototype, "constructor", nativeConstructor);
  };
}

function hookedThen(this: Promise<unknown>, onValue?: unknown, onError?: unknown): Promise<unknown> {
  // The language always passes both. One handler alone is somebody's chain, which its own await will show.
  const seen =
    typeof onValue === "function" && typeof onError === "function" && Object.getPrototypeOf(this) === Native.prototype;
  const frame = seen ? currentFrame() : undefined;
  const instead = frame === undefined ? undefined : installed?.(this, frame);
  return (replaced.value as typeof nativeThen).call(
    instead ?? this,
    onValue as () => unknown,
    onError as () => unknown,
  );
}
Object.defineProperty(hookedThen, "name", { value: "then" });

/** Gives a native promise as it is, though it seems to be made by another constructor. */
function hookedResolve(this: PromiseConstructor, value?: unknown): Promise<unknown> {
  const isNative = this === Native && value instanceof Native && Object.getPrototypeOf(value) === Native.prototype;
  return isNative ? (value as Promise<unknown>) : (nativeResolve.value as typeof Native.resolve).call(this, value);
}
Object.defineProperty(hookedResolve, "name", { value: "resolve" });

const nextTick = process.nextTick;

/** Calls `fn` when every microtask has run, those that come meanwhile too. */
export function afterMicrotasks(fn: () => void): void {
  // From a microtask: a tick that is ordered in a tick comes before the microtasks of that one.
  queueMicrotask(() => nextTick(fn));
}

/** Whether this runtime does what the hook and {@link afterMicrotasks} count on; what is wrong, or undefined. */
export async function selfTest(inContext: (fn: () => void) => void): Promise<string | undefined> {
  let awaits = 0;
  let hops = 0;
  const uninstall = installAwaitHook(() => {
    awaits++;
    return undefined;
  });
  try {
    await new Native<void>((resolve) => {
      inContext(() => {
        void awaitOnce();
        queueMicrotask(function hop() {
          if (++hops < 20) queueMicrotask(hop);
        });
        afterMicrotasks(resolve);
      });
    });
  } finally {
    uninstall();
  }
  if (awaits === 0) return "an await was not seen";
  if (hops < 20) return "microtasks were still running when all should have run";
  return (Native.resolve() as { constructor: unknown }).constructor === Native ? undefined : "it cannot be taken back";
}

async function awaitOnce(): Promise<void> {
  await Native.resolve();
}
