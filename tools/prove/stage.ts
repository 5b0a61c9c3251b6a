/**
 * What the examples import when they run as programs (see programs.ts): it notes what they enter and leave, and lets them
 * fail where it is told to.
 */
import nodeAssert from "node:assert";
import { withTaskGroup } from "tasktree";
import { failpoint } from "tasktree/testing";

let entered = new Map<string, number>();
/** What was injected, and what the program itself has caught. */
let injected: unknown[] = [];
let caught = new Set<unknown>();

/** Forgets what was. */
export function begin(): void {
  entered = new Map();
  injected = [];
  caught = new Set();
}

/** The blocks that were entered more often than left, or the other way round. */
export function unbalanced(): string[] {
  return [...entered]
    .filter(([, count]) => count !== 0)
    .map(([place, count]) => `${place} (${count > 0 ? "+" : ""}${count})`);
}

export function injections(): readonly unknown[] {
  return injected;
}

export function wasCaught(error: unknown): boolean {
  return caught.has(error);
}

/** How many blocks with something to do at their end were entered in all. */
export let blocks = 0;

export function enter(place: string): void {
  blocks++;
  entered.set(place, (entered.get(place) ?? 0) + 1);
}

export function leave(place: string): void {
  entered.set(place, (entered.get(place) ?? 0) - 1);
}

/** For blocks that end what they own with `using`. */
export function within(place: string): Disposable {
  enter(place);
  return { [Symbol.dispose]: () => leave(place) };
}

/** Whom to tell of each place where a program is about to wait. */
let watcher: (() => void) | undefined;

export function watchPlaces(watch: (() => void) | undefined): void {
  watcher = watch;
}

export function mayFail(place: string): void {
  watcher?.();
  try {
    failpoint(place);
  } catch (error) {
    injected.push(error);
    throw error;
  }
}

export function note<T>(error: T): T {
  caught.add(error);
  return error;
}

export function noting<R>(onRejected: (error: unknown) => R): (error: unknown) => R {
  return (error) => onRejected(note(error));
}

/** A run inside of another, where the tree is the explorer's. */
export function run<T>(main: () => T | PromiseLike<T>): Promise<T> {
  return withTaskGroup(async (group) => await group.spawn(async () => await main(), { name: "main" }));
}

/** Node's, but that it tells which errors it was shown. */
export const assert: typeof nodeAssert = Object.assign(nodeAssert.ok.bind(undefined) as typeof nodeAssert, nodeAssert, {
  async rejects(block: (() => PromiseLike<unknown>) | PromiseLike<unknown>, ...rest: [never]): Promise<void> {
    // Not by the runtime's: how often that awaits is its own affair, and schedules are to be equal on all.
    let thrown: { readonly error: unknown } | undefined;
    try {
      await (typeof block === "function" ? block() : block);
    } catch (error) {
      thrown = { error: note(error) };
    }
    nodeAssert.throws(
      () => {
        if (thrown !== undefined) throw thrown.error;
      },
      ...rest,
    );
  },
});

/** Examples print what a reader is to see once. */
export const console: Pick<Console, "log" | "error" | "warn" | "info"> = {
  log: () => undefined,
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
};
