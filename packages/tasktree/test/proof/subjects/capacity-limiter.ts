import assert from "node:assert/strict";
import { CapacityLimiter } from "../../../src/index.ts";
import type { Call, Desk, Outcome } from "../desk.ts";
import { scripted, type Primitive } from "../prove.ts";
import type { Subject } from "../trial.ts";

/** How many tokens there are; who has one; who stands in line. Calls bring the borrower's name. */
interface State {
  readonly total: number;
  readonly borrowers: readonly unknown[];
  readonly line: readonly Call[];
}

const done: Outcome = { gave: null };
const twice: Outcome = { threw: "InvalidStateError" };

function desk(total: number): Desk<State> {
  return {
    initial: { total, borrowers: [], line: [] },
    hear(state, call, answer) {
      const { id, name, args } = call;
      const borrower = name === "ended" ? call.task : args[0];
      const { borrowers } = state;
      const has = borrowers.includes(borrower);
      const isFree = borrowers.length < state.total;
      switch (name) {
        case "acquire":
          if (has || isFree) answer(id, has ? twice : done);
          else return { ...state, line: [...state.line, call] };
          return has ? state : { ...state, borrowers: [...borrowers, borrower] };
        case "try":
          answer(id, has ? twice : { gave: isFree });
          return has || !isFree ? state : { ...state, borrowers: [...borrowers, borrower] };
        case "release":
        case "ended":
          answer(id, has || name === "ended" ? done : twice);
          return served({ ...state, borrowers: borrowers.filter((one) => one !== borrower) }, answer);
        case "borrowed":
          answer(id, { gave: borrowers.length });
          return state;
        default: // "total"
          answer(id, { gave: args[0] });
          return served({ ...state, total: args[0] as number }, answer);
      }
    },
    leave: (state, { id }) => ({ ...state, line: state.line.filter((one) => one.id !== id) }),
  };
}

/** Who stands in line gets what is there; one who has a token by now gets none. */
function served(state: State, answer: (id: number, outcome: Outcome) => void): State {
  const [next, ...line] = state.line;
  if (next === undefined || state.borrowers.length >= state.total) return state;
  const [borrower] = next.args;
  const has = state.borrowers.includes(borrower);
  answer(next.id, has ? twice : done);
  return served({ ...state, line, borrowers: has ? state.borrowers : [...state.borrowers, borrower] }, answer);
}

export function capacityLimiter(total: number): Subject<CapacityLimiter> {
  return {
    make: () => new CapacityLimiter(total),
    desk: desk(total),
    words: {
      acquire: (hands) => hands.call("acquire", [hands.task], () => hands.thing.acquire()),
      try: (hands) => hands.act("try", [hands.task], () => hands.thing.tryAcquire()),
      release: (hands) => hands.act("release", [hands.task], () => hands.thing.release()),
      acquirex: (hands) => hands.call("acquire", ["x"], () => hands.thing.acquire("x")),
      releasex: (hands) => hands.act("release", ["x"], () => hands.thing.release("x")),
      borrowed: (hands) => hands.act("borrowed", [], () => hands.thing.borrowed),
      ...Object.fromEntries(
        [0, 1, 2].map(
          (n) =>
            [`total${n}`, (hands) => hands.act("total", [n], () => (hands.thing.total = n))] satisfies [
              string,
              Subject<CapacityLimiter>["words"][string],
            ],
        ),
      ),
    },
    seesEnds: true,
    atRest(thing) {
      assert.equal(thing.statistics().waiting, 0);
      assert.deepEqual(
        thing.borrowers().filter((one) => one !== "x"),
        [],
      );
    },
  };
}

export const capacityLimiters: Primitive = {
  name: "CapacityLimiter",
  programs: [
    ...scripted(
      "limiter of one",
      capacityLimiter(1),
      {
        "two take turns": { a: "acquire release", b: "acquire release" },
        barging: { a: "acquire release+try+borrowed", b: "acquire" },
        "a token comes back at the end": { a: "acquire", b: "acquire" },
      },
      { seen: false },
    ),
    ...scripted(
      "limiter of one",
      capacityLimiter(1),
      {
        "in another name": { a: "acquirex releasex", b: "acquirex" },
        "raised and lowered": { a: "acquire", b: "total0 total1+borrowed", c: "acquire" },
      },
      { cancellations: 0 },
    ),
    ...scripted(
      "limiter of none",
      capacityLimiter(0),
      {
        "raised by two": { a: "acquire", b: "acquire", c: "total2" },
        "raised by two, one stays": { a: "acquirex", b: "acquire", c: "total2" },
        "one name for two": { a: "acquirex", b: "acquirex", c: "total2" },
      },
      { cancellations: 0 },
    ),
    ...scripted(
      "limiter of two",
      capacityLimiter(2),
      {
        "four want it": {
          a: "acquire release",
          b: "acquire release acquire",
          c: "acquire total1",
          d: "acquire+borrowed total2",
        },
      },
      { tries: "many", cancellations: 2 },
    ),
    ...scripted(
      "limiter of one",
      capacityLimiter(1),
      {
        "one name for two": {
          a: "acquirex total2 releasex",
          b: "acquirex releasex",
          c: "acquire release",
          d: "try acquirex",
        },
      },
      { tries: "many", isLong: true },
    ),
  ],
};
