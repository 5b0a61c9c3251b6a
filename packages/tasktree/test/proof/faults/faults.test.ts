/** The proof has teeth: each planted fault is caught by the program that is named for it, which passes without. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { InvalidStateError } from "../../../src/index.ts";
import { isPinned } from "../../runtime.ts";
import { programNamed } from "../primitives.ts";
import { exploreProgram } from "../prove.ts";
import { faults } from "./index.ts";
import { verdictOf, type Verdict } from "./planting.ts";

const atATime = 2;

const oneRuntimeTells = { skip: !isPinned && "the faults are in the library: one runtime tells" };

describe("The proof", oneRuntimeTells, () => {
  let verdicts: readonly Promise<Verdict>[] | undefined;
  for (const [index, fault] of faults.entries()) {
    it(`catches: ${fault.name}`, async (t) => {
      verdicts ??= inTurns(faults.map((one) => () => verdictOf(one)));
      const verdict = await verdicts[index]!;
      assert.ok(verdict.caught, `'${fault.program}' does not catch it: ${verdict.why}`);
      t.diagnostic(`schedule ${verdict.schedules}: ${verdict.replay} (${verdict.why})`);
      await passesWithoutIt(fault.program, verdict.replay);
    });
  }
});

/** Starts all, some at a time; gives the promise of each. */
function inTurns<T>(jobs: readonly (() => Promise<T>)[]): Promise<T>[] {
  const begun: Promise<T>[] = [];
  for (const [index, job] of jobs.entries()) {
    const before = Promise.allSettled(begun.slice(0, index - atATime + 1));
    begun.push(index < atATime ? job() : before.then(job));
  }
  return begun;
}

/** As far as the schedule can be followed: without the fault the program may come to other choices. */
async function passesWithoutIt(program: string, replay: string): Promise<void> {
  process.env["TASKTREE_REPLAY"] = replay;
  try {
    const { schedules } = await exploreProgram(programNamed(program), { schedules: 1 });
    assert.equal(schedules, 1);
  } catch (error) {
    if (!(error instanceof InvalidStateError && error.message.startsWith("Cannot replay"))) throw error;
  } finally {
    delete process.env["TASKTREE_REPLAY"];
  }
}
