/** Functions that keep books: how each has ended, and how many ran at a time. */
import assert from "node:assert/strict";
import { checkpoint, currentScope, isCancelled, WorkCancelledError, withTaskGroup } from "../../../src/index.ts";

/** How a function, or a call, has ended. */
export type Ending =
  | { readonly how: "gave"; readonly value: unknown }
  | { readonly how: "threw"; readonly error: unknown }
  | { readonly how: "was cut" };

export interface Plan {
  /** How many checkpoints it passes. */
  readonly steps: number;
  /** Whether it throws then; else it gives its name. */
  readonly fails?: boolean;
}

export class Work {
  /** By name, in the order in which they ended. */
  readonly endings = new Map<string, Ending>();
  begun = 0;
  running = 0;
  /** How many ran at a time, at most. */
  most = 0;

  /** A function that keeps to its plan, and takes a step for cleaning up. */
  job(name: string, { steps, fails = false }: Plan): () => Promise<string> {
    return async () => {
      this.begun++;
      this.most = Math.max(this.most, ++this.running);
      let ending: Ending | undefined;
      try {
        for (let step = 0; step < steps; step++) await checkpoint();
        if (fails) throw new Error(name);
        ending = { how: "gave", value: name };
        return name;
      } catch (error) {
        ending = isCancelled(error) ? { how: "was cut" } : { how: "threw", error };
        throw error;
      } finally {
        await checkpoint().catch((error: unknown) => {
          // It was told in cleaning up: what it had to give or to throw is lost.
          this.#note(name, { how: "was cut" });
          throw error;
        });
        this.#note(name, ending!);
      }
    };
  }

  #note(name: string, ending: Ending): void {
    this.running--;
    assert.ok(!this.endings.has(name), `'${name}' has ended twice`);
    this.endings.set(name, ending);
  }

  /** Everything that was begun has ended. */
  checkEnded(): void {
    assert.deepEqual({ running: this.running, ended: this.endings.size }, { running: 0, ended: this.begun });
  }

  named(name: string): Ending | undefined {
    return this.endings.get(name);
  }

  get values(): unknown[] {
    return [...this.endings.values()].flatMap((one) => (one.how === "gave" ? [one.value] : []));
  }

  get errors(): unknown[] {
    return [...this.endings.values()].flatMap((one) => (one.how === "threw" ? [one.error] : []));
  }

  get wereCut(): number {
    return [...this.endings.values()].filter(({ how }) => how === "was cut").length;
  }
}

/** How a call has ended. */
export async function endingOf(call: () => PromiseLike<unknown>): Promise<Ending> {
  try {
    return { how: "gave", value: await call() };
  } catch (error) {
    return isCancelled(error) ? { how: "was cut" } : { how: "threw", error };
  }
}

/**
 * Calls `call` in a task that can be cancelled; checks, when it has settled, that nothing it began still runs; gives how it
 * has ended, and whether its caller was cancelled before.
 */
export async function called(work: Work, call: () => PromiseLike<unknown>): Promise<readonly [Ending, boolean]> {
  let result: readonly [Ending, boolean] | undefined;
  const whole = await endingOf(() =>
    withTaskGroup((group) => {
      const caller = async (): Promise<void> => {
        const ending = await endingOf(call);
        work.checkEnded();
        result = [ending, currentScope().cancelRequested];
      };
      group.spawn(caller, { name: "caller" });
    }),
  );
  // Twice where a scope throws what nobody was joining for yet when it ended (rule K14), but never something else.
  assert.ok(
    whole.how === "gave" || (whole.how === "threw" && work.errors.includes(whole.error)),
    "where is this from?",
  );
  return result!;
}

export function isWorkCancelled(ending: Ending): boolean {
  return ending.how === "threw" && ending.error instanceof WorkCancelledError;
}
