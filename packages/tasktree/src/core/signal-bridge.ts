/**
 * The only place where AbortSignals and scopes meet, in both directions.
 *
 * Out: a scope's signal is made on first use. It aborts in a step of its own, queued before the scope's waits are cut, so
 * that listeners have run when the first waiter resumes, and nobody's code runs inside `cancel()`.
 * In: any number of scopes share one listener on a foreign signal: many listeners on one signal cost quadratic time.
 */
import { isObject } from "../errors.ts";
import { enter } from "./current.ts";
import type { ScopeNode } from "./scope.ts";

type Listener = EventListenerOrEventListenerObject;
type ListenerOptions = boolean | AddEventListenerOptions | undefined;

/** How many signals could abort; while there are none, cancelling needs no step for them. */
let open = 0;
const aborting: ScopeSignal[] = [];

/** To be called before waits are cut: signals that {@link ScopeSignal.abort} names until then abort first. */
export function scheduleAborts(): void {
  if (open > 0) void Promise.resolve().then(abortAll);
}

function abortAll(): void {
  for (const signal of aborting.splice(0)) signal.run();
}

/** A scope's AbortSignal. */
export class ScopeSignal {
  readonly #scope: ScopeNode;
  readonly #controller = new AbortController();
  #reason: unknown = undefined;
  #open = true;

  constructor(scope: ScopeNode) {
    this.#scope = scope;
    open++;
    guardListeners(this.signal, scope);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether it can still abort, and is not about to. */
  get open(): boolean {
    return this.#open;
  }

  /** Aborts in the step that {@link scheduleAborts} has ordered. */
  abort(reason: unknown): void {
    if (!this.#open) return;
    this.#reason = reason;
    this.close();
    aborting.push(this);
  }

  /** Aborts at once: for a signal that nobody has seen yet. */
  abortNow(reason: unknown): void {
    this.close();
    this.#controller.abort(reason);
  }

  /** The scope has ended, or the abort is on its way. */
  close(): void {
    if (this.#open) open--;
    this.#open = false;
  }

  run(): void {
    enter(this.#scope.frame, (controller, reason) => controller.abort(reason), this.#controller, this.#reason);
  }
}

/** Whose signal it is, and what stands for the listeners that were added. */
interface Guarded {
  readonly scope: ScopeNode;
  guards: WeakMap<object, EventListener> | undefined;
  onabort: EventListener | null;
  /** Calls `onabort`: a listener of its own, since the same function may have been added too. */
  onAbort: EventListener | undefined;
}

const guarded = new WeakMap<AbortSignal, Guarded>();

/** A listener that throws is a failure of the scope; without this the process would get an uncaught exception. */
function guardListeners(signal: AbortSignal, scope: ScopeNode): void {
  guarded.set(signal, { scope, guards: undefined, onabort: null, onAbort: undefined });
  Object.setPrototypeOf(signal, guardedPrototype);
}

function guard(signal: AbortSignal, listener: Listener): Listener {
  if (!isObject(listener)) return listener;
  const record = guarded.get(signal)!;
  const guards = (record.guards ??= new WeakMap());
  let guardian = guards.get(listener);
  if (guardian === undefined) {
    guardian = function abortListener(this: unknown, event: Event): void {
      try {
        if (typeof listener === "function") listener.call(this as never, event);
        else listener.handleEvent(event);
      } catch (error) {
        record.scope.root.listenerFailed(error, record.scope);
      }
    };
    guards.set(listener, guardian);
    // What the platform takes back by itself, for `{ signal }`, it names by the guardian.
    guards.set(guardian, guardian);
  }
  return guardian;
}

// One prototype for all signals of scopes: own properties would cost seven closures for each.
const { addEventListener: add, removeEventListener: remove } = EventTarget.prototype;
const guardedPrototype: AbortSignal = Object.create(AbortSignal.prototype, {
  addEventListener: {
    configurable: true,
    writable: true,
    value(this: AbortSignal, type: string, listener: Listener, options?: ListenerOptions): void {
      add.call(this, type, guard(this, listener), options);
    },
  },
  removeEventListener: {
    configurable: true,
    writable: true,
    value(this: AbortSignal, type: string, listener: Listener, options?: ListenerOptions): void {
      remove.call(this, type, guard(this, listener), options);
    },
  },
  onabort: {
    configurable: true,
    get(this: AbortSignal): Listener | null {
      return guarded.get(this)!.onabort;
    },
    set(this: AbortSignal, listener: Listener | null): void {
      const record = guarded.get(this)!;
      record.onabort = typeof listener === "function" ? listener : null;
      record.onAbort ??= (event) => record.onabort?.call(this, event);
      if (record.onabort === null) remove.call(this, "abort", guard(this, record.onAbort));
      else add.call(this, "abort", guard(this, record.onAbort));
    },
  },
}) as AbortSignal;

const links = new WeakMap<AbortSignal, SignalLink>();

/** Cancels `scope` when the foreign `signal` aborts; at once if it has. Undone when the scope ends. */
export function linkSignal(signal: AbortSignal, scope: ScopeNode): void {
  if (signal.aborted) {
    scope.cancelAs("signal", signal.reason);
    return;
  }
  const link = links.get(signal) ?? new SignalLink(signal);
  link.scopes.add(scope);
  scope.linked(() => link.remove(scope));
}

/** The one listener on a foreign signal, while it has scopes: Node keeps composite signals alive that are listened to. */
class SignalLink {
  readonly scopes: Set<ScopeNode> = new Set();
  readonly #signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    links.set(signal, this);
    signal.addEventListener("abort", this.#cancelAll, { once: true });
  }

  remove(scope: ScopeNode): void {
    this.scopes.delete(scope);
    if (this.scopes.size > 0) return;
    links.delete(this.#signal);
    this.#signal.removeEventListener("abort", this.#cancelAll);
  }

  readonly #cancelAll = (): void => {
    for (const scope of this.scopes) scope.cancelAs("signal", this.#signal.reason);
  };
}
