import assert from "node:assert/strict";
import { test } from "node:test";
import { randomFrom } from "../../test/random.ts";
import { Heap } from "./heap.ts";

function heapOf(...numbers: number[]): Heap<number> {
  const heap = new Heap<number>((a, b) => a < b);
  for (const number of numbers) heap.push(number);
  return heap;
}

function drained(heap: Heap<number>): number[] {
  return Array.from({ length: heap.size }, () => heap.pop()!);
}

test("Heap gives the least member first, whatever the order of coming", () => {
  for (const order of [
    [1, 2, 3, 4, 5],
    [5, 4, 3, 2, 1],
    [3, 1, 5, 2, 4],
  ]) {
    const heap = heapOf(...order);
    assert.equal(heap.peek(), 1);
    assert.deepEqual(drained(heap), [1, 2, 3, 4, 5]);
  }
});

test("Heap gives undefined when it is empty, and can be filled again", () => {
  const heap = heapOf();
  assert.deepEqual([heap.peek(), heap.pop(), heap.size], [undefined, undefined, 0]);
  heap.push(7);
  assert.deepEqual([heap.pop(), heap.pop(), heap.size], [7, undefined, 0]);
});

test("Heap keeps members that are equal", () => {
  assert.deepEqual(drained(heapOf(2, 1, 2, 1)), [1, 1, 2, 2]);
});

test("Heap.retain() drops what is not wanted, and the rest still comes in order", () => {
  const heap = heapOf(9, 4, 7, 1, 8, 2);
  heap.retain((number) => number % 2 === 0);
  assert.equal(heap.size, 3);
  heap.push(5);
  assert.deepEqual(drained(heap), [2, 4, 5, 8]);
  heap.retain(() => false);
  assert.equal(heap.peek(), undefined);
});

test("Heap does what a sorted array does, in any sequence of calls", () => {
  const random = randomFrom(3);
  const heap = heapOf();
  let model: number[] = [];
  for (let step = 0; step < 3000; step++) {
    const choice = random(20);
    if (choice < 11) {
      const number = random(500);
      heap.push(number);
      model.push(number);
      model.sort((a, b) => a - b);
    } else if (choice < 19) {
      assert.equal(heap.pop(), model.shift());
    } else {
      const divisor = 7 + random(5);
      heap.retain((number) => number % divisor !== 0);
      model = model.filter((number) => number % divisor !== 0);
    }
    assert.equal(heap.peek(), model[0]);
    assert.equal(heap.size, model.length);
  }
});

test("Heap: a comparison that throws leaves it as it was", () => {
  let left = Infinity;
  const heap = new Heap<number>((a, b) => {
    if (left-- <= 0) throw new Error("cannot compare");
    return a < b;
  });
  const model: number[] = [];
  const below = randomFrom(3);
  for (let step = 0; step < 2000; step++) {
    left = below(3) === 0 ? below(6) : Infinity;
    const item = below(50);
    try {
      if (below(2) === 0) {
        heap.push(item);
        model.push(item);
      } else {
        const top = heap.pop();
        model.sort((a, b) => a - b);
        assert.equal(top, model.shift());
      }
    } catch (error) {
      if ((error as Error).message !== "cannot compare") throw error;
    }
    assert.equal(heap.size, model.length);
  }
  left = Infinity;
  assert.deepEqual(
    drained(heap),
    model.toSorted((a, b) => a - b),
  );
});
