import assert from "node:assert/strict";
import { Barrier } from "../../../src/index.ts";
import type { Desk } from "../desk.ts";
import { scripted, type Primitive } from "../prove.ts";
import type { Subject } from "../trial.ts";

/** Who is there, in the order of coming. */
interface State {
  readonly there: readonly number[];
  readonly isBroken: boolean;
}

const done = { gave: null };
const broken = { threw: "BrokenError" };

function desk(parties: number): Desk<State> {
  return {
    initial: { there: [], isBroken: false },
    hear(state, { id, name }, answer) {
      const there = [...state.there, id];
      if (name === "wait") {
        if (state.isBroken) return (answer(id, broken), state);
        if (there.length < parties) return { ...state, there };
        there.forEach((one, place) => answer(one, { gave: place }));
        return { ...state, there: [] };
      }
      answer(id, done);
      for (const one of state.there) answer(one, broken);
      return { there: [], isBroken: name === "abort" };
    },
    leave: (state, { id }) => ({ ...state, there: state.there.filter((one) => one !== id) }),
  };
}

function barrier(parties: number): Subject<Barrier> {
  return {
    make: () => new Barrier(parties),
    desk: desk(parties),
    words: {
      wait: (hands) => hands.call("wait", [], () => hands.thing.wait()),
      abort: (hands) => hands.act("abort", [], () => hands.thing.abort()),
      reset: (hands) => hands.act("reset", [], () => hands.thing.reset()),
    },
    atRest: (thing) => assert.equal(thing.statistics().waiting, 0),
  };
}

export const barriers: Primitive = {
  name: "Barrier",
  programs: [
    ...scripted("barrier of two", barrier(2), {
      "two rounds": { a: "wait wait", b: "wait wait" },
      aborted: { a: "wait wait", b: "abort reset wait" },
    }),
    ...scripted("barrier of two", barrier(2), { "three come": { a: "wait", b: "wait wait", c: "wait" } }),
    ...scripted("barrier of two", barrier(2), { reset: { a: "wait wait", b: "reset" } }),
    ...scripted(
      "barrier of three",
      barrier(3),
      { "three come": { a: "wait", b: "wait", c: "wait" } },
      { cancellations: 0 },
    ),
    ...scripted(
      "barrier of three",
      barrier(3),
      {
        "four come": { a: "wait wait", b: "wait wait", c: "wait wait", d: "wait reset" },
      },
      { tries: "many", cancellations: 2 },
    ),
  ],
};
