/** A schedule as a word that can be printed and given back. */
import type { Choice, ChoicePoint, Strategy } from "./choices.ts";

/**
 * What replays a schedule: the seed of its random numbers, and its choices in base 36, a run of n zeros as `_n`. The zeros at
 * the end are left out, since zero is what happens without a choice.
 */
export function replayWord(seed: number, choices: readonly number[]): string {
  const words: string[] = [];
  let zeros = 0;
  for (const choice of choices) {
    if (choice === 0) {
      zeros++;
      continue;
    }
    if (zeros > 0) words.push(`_${zeros}`);
    words.push(choice.toString(36));
    zeros = 0;
  }
  return [seed, ...words].join(".");
}

/** The seed and the choices in a word that {@link replayWord} has made; undefined if it is none. */
export function fromReplayWord(word: string): { readonly seed: number; readonly choices: number[] } | undefined {
  if (!/^\d+(?:\.(?:_\d{1,6}|[0-9a-z]{1,4}))*$/.test(word)) return undefined;
  const [seed, ...words] = word.split(".");
  const choices = words.flatMap((one) =>
    one.startsWith("_") ? Array.from({ length: Number(one.slice(1)) }, () => 0) : [Number.parseInt(one, 36)],
  );
  return { seed: Number(seed), choices };
}

/** One schedule: the choices given, and what happens without a choice after them. */
export class Replay implements Strategy {
  readonly name = "replay";
  readonly #choices: readonly number[];
  #next = 0;
  #begun = false;
  #misfits = 0;

  constructor(choices: readonly number[]) {
    this.#choices = choices;
  }

  begin(): boolean {
    if (this.#begun) return false;
    return (this.#begun = true);
  }

  choose({ options }: ChoicePoint): number {
    if (options.length === 1) return 0;
    const choice = this.#choices[this.#next++] ?? 0;
    if (choice < options.length) return choice;
    this.#misfits++;
    return 0;
  }

  /** Whether there was each of the choices to be made. */
  get fits(): boolean {
    return this.#misfits === 0 && this.#next >= this.#choices.length;
  }

  touched(): void {}
}

/** The indices of choices that were made among several. */
export function indicesOf(choices: readonly Choice[]): number[] {
  return choices.filter(({ count }) => count > 1).map(({ index }) => index);
}
