/**
 * Makes a failing schedule simpler: as many of its choices as possible become 0, which is what happens without a choice.
 * Ever smaller pieces are tried (A. Zeller, R. Hildebrandt, "Simplifying and isolating failure-inducing input", 2002).
 *
 * @param fails Tells whether a schedule fails in the same way; gives the choices that it has really made.
 * @param attempts How many schedules may be tried.
 */
export async function shrink(
  choices: readonly number[],
  fails: (choices: readonly number[]) => Promise<readonly number[] | undefined>,
  attempts: number,
): Promise<readonly number[]> {
  let best = trimmed(choices);
  for (let size = best.length; size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let end = best.length; end > 0; end -= size) {
      const from = Math.max(end - size, 0);
      const simpler = best.map((choice, at) => (at >= from && at < end ? 0 : choice));
      if (weight(simpler) === weight(best)) continue;
      if (attempts-- <= 0) return best;
      const made = await fails(trimmed(simpler));
      if (made !== undefined && weight(made) < weight(best)) best = trimmed(made);
    }
  }
  return best;
}

/** How many choices differ from what happens without one. */
function weight(choices: readonly number[]): number {
  return choices.reduce((count, choice) => count + (choice === 0 ? 0 : 1), 0);
}

function trimmed(choices: readonly number[]): readonly number[] {
  return choices.slice(0, choices.findLastIndex((choice) => choice !== 0) + 1);
}
