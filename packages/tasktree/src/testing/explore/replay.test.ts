import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Random } from "./random.ts";
import { fromReplayWord, replayWord } from "./replay.ts";
import { shrink } from "./shrink.ts";

describe("a replay word", () => {
  it("gives back the seed and the choices, without the zeros at the end", () => {
    const random = new Random(7);
    for (let round = 0; round < 200; round++) {
      const choices = Array.from({ length: random.below(60) }, () => (random.below(3) === 0 ? random.below(2000) : 0));
      const seed = random.below(1_000_000);
      const parsed = fromReplayWord(replayWord(seed, choices))!;
      assert.equal(parsed.seed, seed);
      const padded = [...parsed.choices, ...choices.map(() => 0)].slice(0, choices.length);
      assert.deepEqual(padded, choices);
    }
    assert.equal(replayWord(1, [0, 0, 3, 0, 36, 0, 0]), "1._2.3._1.10");
    assert.deepEqual(fromReplayWord("5"), { seed: 5, choices: [] });
  });

  it("is refused if it is none", () => {
    for (const word of ["", "x", "1.", "1..2", "1._", "1._x", "-1", "1.Z", "1._9999999", "1.zzzzz"]) {
      assert.equal(fromReplayWord(word), undefined, word);
    }
  });
});

describe("shrink", () => {
  it("leaves the choices that a failure needs", async () => {
    const random = new Random(3);
    const choices = Array.from({ length: 200 }, () => random.below(3));
    const needed = new Map([
      [17, 2],
      [90, 1],
    ]);
    for (const [at, choice] of needed) choices[at] = choice;
    let tried = 0;
    const fails = async (some: readonly number[]) => {
      tried++;
      return [...needed].every(([at, choice]) => some[at] === choice) ? some : undefined;
    };
    const best = await shrink(choices, fails, 1000);
    assert.deepEqual(new Map([...best.entries()].filter(([, choice]) => choice > 0)), needed);
    assert.ok(tried < 200, String(tried));
  });

  it("tries no more than it may, and keeps what fails", async () => {
    let tried = 0;
    const best = await shrink(
      [1, 1, 1, 1],
      async () => {
        tried++;
        return undefined;
      },
      3,
    );
    assert.deepEqual([best, tried], [[1, 1, 1, 1], 3]);
  });
});

describe("random numbers", () => {
  it("repeat with their seed, differ between seeds, and fill their range evenly", () => {
    const draw = (seed: number) => {
      const random = new Random(seed);
      return Array.from({ length: 8 }, () => random.below(1000));
    };
    assert.deepEqual(draw(5), draw(5));
    assert.equal(new Set(Array.from({ length: 500 }, (_, seed) => draw(seed).join())).size, 500);
    const counts = Array.from({ length: 10 }, () => 0);
    for (let seed = 0; seed < 1000; seed++) counts[new Random(seed).below(10)]!++;
    for (const count of counts) assert.ok(count > 60 && count < 140, counts.join());
  });
});
