import { EndOfStream } from "../errors.ts";
import { here, passed, quietThen, refusedIntake } from "../lowlevel.ts";

/** What gives items one by one, and says `EndOfStream` when there are no more. */
interface Source<T> {
  receive(): Promise<T>;
  tryReceive(): { readonly value: T } | undefined;
}

type Item<T> = IteratorResult<T, undefined>;

/** Receives until the end. A loop that is left early leaves the source as it is. */
export class Items<T> implements AsyncIterator<T, undefined> {
  readonly #source: Source<T>;

  constructor(source: Source<T>) {
    this.#source = source;
  }

  next(): Promise<Item<T>> {
    const node = here();
    const refusal = refusedIntake(node);
    if (refusal !== undefined) return refusal;
    let received: Item<T> | undefined;
    try {
      received = this.#source.tryReceive();
    } catch (error) {
      return error instanceof EndOfStream ? passed(end) : Promise.reject(error);
    }
    if (received !== undefined) return passed(received, node);
    return quietThen(this.#source.receive(), asItem<T>, asEnd);
  }
}

const end: Item<never> = { done: true, value: undefined };

function asItem<T>(value: T): Item<T> {
  return { value };
}

function asEnd(error: unknown): Item<never> {
  if (error instanceof EndOfStream) return end;
  throw error;
}
