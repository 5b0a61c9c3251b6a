import assert from "node:assert/strict";
import test from "node:test";
import { randomFrom } from "../../test/random.ts";
import { Deque } from "./deque.ts";

test("Deque does what an array does, whatever the order of calls", () => {
  const below = randomFrom(7);
  const [deque, model] = [new Deque<number>(), [] as number[]];
  for (let step = 0; step < 20_000; step++) {
    const call = (["push", "push", "unshift", "unshift", "shift", "pop"] as const)[below(6)]!;
    const drains = Math.floor(step / 500) % 2 === 1;
    if (call === "push" || call === "unshift") {
      if (drains) continue;
      deque[call](step);
      model[call](step);
    } else {
      assert.equal(deque[call](), model[call]());
    }
    assert.equal(deque.size, model.length);
    assert.equal(deque.first, model[0]);
    if (step % 100 === 0) assert.deepEqual([...deque], model);
    if (step === 9_999) {
      deque.clear();
      model.length = 0;
    }
  }
});
