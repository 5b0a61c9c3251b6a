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

test("ByteQueue takes an array over, also a part of a Buffer, and writes nowhere else", () => {
  const whole = Buffer.from("..abcdef..");
  const queue = new ByteQueue();
  queue.adopt(whole.subarray(2, 8));
  queue.drop(5);
  for (let next = 0; next < 20; next++) queue.adopt(Uint8Array.of(next));
  assert.deepEqual([...queue.shift(99)], ["f".charCodeAt(0), ...Array(20).keys()]);
  assert.deepEqual([whole.toString().slice(0, 2), whole.toString().slice(8)], ["..", ".."]);
  queue.adopt(Buffer.from("gh"));
  const given = queue.shift(2);
  assert.deepEqual([given.constructor, given.buffer.byteLength], [Uint8Array, 2]);
});

test("ByteQueue finds what it is asked for, where it begins first, also behind what was taken", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = randomFrom(seed);
    const queue = new ByteQueue();
    let model = "";
    for (let step = 0; step < 60; step++) {
      const piece = "ab-".charAt(random(3)).repeat(1 + random(3));
      queue.push(Buffer.from(piece));
      model += piece;
      const dropped = random(3);
      queue.drop(Math.min(dropped, model.length));
      model = model.slice(dropped);
      const wanted = ["-", "--", "ab", "aab", "b-a-"][random(5)]!;
      const from = random(4);
      const found = model.indexOf(wanted, from);
      assert.equal(queue.indexOf(Buffer.from(wanted), from), found, `seed ${seed}: ${wanted} in ${model} from ${from}`);
    }
  }
});

test("ByteQueue through which much goes in small pieces moves each byte a few times only", () => {
  const shared: Uint8Array = Uint8Array.prototype;
  const { set } = shared;
  let moved = 0;
  shared.set = function (this: Uint8Array, bytes: ArrayLike<number>, at?: number) {
    moved += bytes.length;
    return set.call(this, bytes, at);
  };
  const pieces = 20_000;
  try {
    const queue = new ByteQueue();
    for (let piece = 0; piece < pieces; piece++) {
      queue.push(Uint8Array.of(1));
      if (piece > 5000) queue.drop(1);
    }
  } finally {
    shared.set = set;
  }
  assert.ok(moved < 6 * pieces, `${moved} bytes were moved for ${pieces}`);
});
