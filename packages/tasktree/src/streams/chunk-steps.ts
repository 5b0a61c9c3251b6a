import { quiet } from "../lowlevel.ts";

const finished: IteratorResult<never, undefined> = { done: true, value: undefined };

/** What one step of an iteration gives, where undefined is the end. */
export function asStep<T>(value: T | undefined): IteratorResult<T, undefined> {
  return value === undefined ? finished : { done: false, value };
}

/** Reads chunk after chunk; leaving the loop early does nothing. */
export function chunksOf(source: { read(): Promise<Uint8Array | undefined> }): AsyncIterator<Uint8Array, undefined> {
  return { next: () => quiet(() => source.read().then(asStep)) };
}
