import assert from "node:assert/strict";
import { test } from "node:test";
import { randomFrom } from "../../test/random.ts";
import { ByteQueue } from "./byte-queue.ts";

test("ByteQueue gives bytes in the order they came, however they are put in and taken out", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = randomFrom(seed);
    const queue = new ByteQueue();
    const model: number[] = [];
    for (let step = 0, next = 0; step < 200; step++) {
      if (random(2) === 0) {
        const bytes = Uint8Array.from({ length: random(90) }, () => next++);
        queue.push(bytes);
        model.push(...bytes);
      } else {
        const most = random(120);
        assert.deepEqual([...queue.shift(most)], model.splice(0, most), `seed ${seed}, step ${step}`);
      }
      assert.equal(queue.size, model.length);
    }
  }
});

test("ByteQueue keeps copies, and gives copies", () => {
  const queue = new ByteQueue();
  const bytes = new Uint8Array([1, 2]);
  queue.push(bytes);
  queue.push(bytes);
  bytes[0] = 9;
  const first = queue.shift(2);
  first[0] = 9;
  queue.push(new Uint8Array([3]));
  assert.deepEqual([...queue.shift(9)], [1, 2, 3]);
});

test("ByteQueue that was cleared is empty, and goes on", () => {
  const queue = new ByteQueue();
  queue.push(new Uint8Array(5000));
  queue.clear();
  assert.deepEqual([queue.size, queue.shift(3).length], [0, 0]);
  queue.push(new Uint8Array([7]));
  assert.deepEqual([...queue.shift(Infinity)], [7]);
});
