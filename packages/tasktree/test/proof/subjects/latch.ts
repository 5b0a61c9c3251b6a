import assert from "node:assert/strict";
import { Latch } from "../../../src/index.ts";
import type { Desk } from "../desk.ts";
import { scripted, type Primitive } from "../prove.ts";
import type { Subject } from "../trial.ts";

interface State {
  readonly isOpen: boolean;
  readonly line: readonly number[];
}

const done = { gave: null };

const desk: Desk<State> = {
  initial: { isOpen: false, line: [] },
  hear(state, { id, name }, answer) {
    const { isOpen, line } = state;
    if (name === "wait" && !isOpen) return { isOpen, line: [...line, id] };
    answer(id, name === "is open" ? { gave: isOpen } : done);
    if (name === "open") for (const one of line) answer(one, done);
    if (name === "open") return { isOpen: true, line: [] };
    return name === "close" ? { isOpen: false, line } : state;
  },
  leave: (state, { id }) => ({ ...state, line: state.line.filter((one) => one !== id) }),
};

export const latch: Subject<Latch> = {
  make: () => new Latch(),
  desk: desk,
  words: {
    wait: (hands) => hands.call("wait", [], () => hands.thing.wait()),
    open: (hands) => hands.act("open", [], () => hands.thing.open()),
    close: (hands) => hands.act("close", [], () => hands.thing.close()),
    isopen: (hands) => hands.act("is open", [], () => hands.thing.isOpen),
  },
  atRest: (thing) => assert.equal(thing.statistics().waiting, 0),
};

export const latches: Primitive = {
  name: "Latch",
  programs: [
    ...scripted("latch", latch, {
      "opened for a moment": { a: "wait wait", b: "open+close isopen" },
      "opened and closed": { a: "wait isopen", b: "open close open" },
    }),
    ...scripted(
      "latch",
      latch,
      { "two wait": { a: "wait wait", b: "wait", c: "open+isopen close" } },
      { cancellations: 0 },
    ),
    ...scripted(
      "latch",
      latch,
      {
        "two wait, two turn it": { a: "wait wait", b: "wait isopen wait", c: "open+close open", d: "open close" },
      },
      { tries: "many", cancellations: 2 },
    ),
  ],
};
