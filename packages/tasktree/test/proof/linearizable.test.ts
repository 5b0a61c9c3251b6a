import assert from "node:assert/strict";
import { it } from "node:test";
import { explanation, type Model, type Operation } from "./linearizable.ts";

/** A register: `write` a number, `read` one. */
interface Access extends Operation {
  readonly name: "read" | "write";
  readonly value: number;
}

const register: Model<number, Access> = {
  initial: 0,
  next: (state, { name, value }) => (name === "write" ? [value] : state === value ? [state] : []),
};

function write(value: number, begin: number, end: number, happened: Operation["happened"] = "certain"): Access {
  return { name: "write", value, begin, end, happened };
}

function read(value: number, begin: number, end: number): Access {
  return { name: "read", value, begin, end, happened: "certain" };
}

function order(...operations: Access[]): string | undefined {
  return explanation(operations, register)
    ?.order.map(({ name, value }) => `${name} ${value}`)
    .join(", ");
}

it("an order explains what follows each other", () => {
  assert.equal(order(write(1, 1, 2), read(1, 3, 4), write(2, 5, 6), read(2, 7, 8)), "write 1, read 1, write 2, read 2");
});

it("what overlaps may come in either order", () => {
  assert.equal(order(write(1, 1, 4), read(0, 2, 3)), "read 0, write 1");
  assert.equal(order(write(1, 1, 4), read(1, 2, 3)), "write 1, read 1");
});

it("what ended before another began comes before it", () => {
  assert.equal(order(write(1, 1, 2), read(0, 3, 4)), undefined);
  assert.equal(order(write(1, 1, 6), read(1, 2, 3), read(0, 4, 5)), undefined);
});

it("two reads must not see two writes in different orders (Herlihy and Wing, figure 1)", () => {
  assert.equal(order(write(1, 1, 6), write(2, 2, 5), read(1, 7, 8), read(2, 9, 10)), undefined);
  assert.equal(
    order(write(1, 1, 6), write(2, 2, 5), read(2, 7, 8), read(2, 9, 10)),
    "write 1, write 2, read 2, read 2",
  );
});

it("what is possible may have happened, in its time, or not", () => {
  const possible = write(1, 1, 4, "possible");
  assert.equal(order(possible, read(0, 5, 6)), "read 0");
  assert.equal(order(possible, read(1, 5, 6)), "write 1, read 1");
  assert.equal(order(possible, read(0, 5, 6), read(1, 7, 8)), undefined);
});

it("what waits has not happened, and cannot", () => {
  const full: Model<number, Operation> = { initial: 0, next: (state) => (state < 2 ? [state + 1] : []) };
  const entered = (begin: number, happened: Operation["happened"]): Operation => ({
    name: "enter",
    begin,
    end: begin + 1,
    happened,
  });
  assert.ok(explanation([entered(1, "certain"), entered(3, "certain"), entered(5, "waiting")], full) !== undefined);
  assert.equal(explanation([entered(1, "certain"), entered(3, "waiting")], full), undefined);
});

it("a long history of reads that overlap is refused in good time", () => {
  const writes = Array.from({ length: 12 }, (_, at) => write(at % 2, 1 + at, 100 + at));
  assert.equal(order(...writes, read(7, 30, 120)), undefined);
});

it("harmless operations are not tried twice", () => {
  let asked = 0;
  const counting: Model<number, Access> = {
    initial: 0,
    next: (state, operation) => (asked++, register.next(state, operation)),
    isHarmless: ({ name }) => name === "read",
  };
  const reads = Array.from({ length: 8 }, (_, at) => read(0, 1 + at, 50 + at));
  assert.equal(explanation([...reads, read(9, 20, 90)], counting), undefined);
  assert.ok(asked < 200, `asked ${asked} times`);
});
