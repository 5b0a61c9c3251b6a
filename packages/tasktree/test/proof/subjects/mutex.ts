import assert from "node:assert/strict";
import { Mutex, type MutexGuard } from "../../../src/index.ts";
import type { Call, Desk } from "../desk.ts";
import { scripted, type Primitive } from "../prove.ts";
import type { Hands, Subject } from "../trial.ts";

/** Who has it, by which call; whether that one broke it; who stands in line. */
interface State {
  readonly owner: string | undefined;
  readonly hold: unknown;
  readonly broken: boolean;
  readonly line: readonly Call[];
}

const free = { owner: undefined, hold: undefined, broken: false };
const broken = { threw: "BrokenError" };

const desk: Desk<State> = {
  initial: { ...free, line: [] },
  hear(state, call, answer) {
    const { owner, hold, line } = state;
    const { id, task, name, args } = call;
    const mine = { ...state, owner: task, hold: args[0] };
    switch (name) {
      case "acquire":
        if (owner === task) return (answer(id, { threw: "DeadlockError" }), state);
        if (state.broken) return (answer(id, broken), state);
        if (owner !== undefined) return { ...state, line: [...line, call] };
        answer(id, { gave: args[0] });
        return mine;
      case "try":
        answer(id, state.broken ? broken : { gave: owner === undefined ? args[0] : null });
        return owner === undefined ? mine : state;
      case "locked":
        answer(id, { gave: owner !== undefined });
        return state;
      case "release": {
        answer(id, { gave: null });
        if (hold !== args[0] || state.broken) return state;
        const [next, ...others] = line;
        if (next !== undefined) answer(next.id, { gave: next.args[0] });
        return { ...state, owner: next?.task, hold: next?.args[0], line: others };
      }
      case "ended":
        answer(id, { gave: null });
        if (owner !== task || state.broken) return state;
        for (const one of line) answer(one.id, broken);
        return { ...state, broken: true, line: [] };
      default: // "reset"
        answer(id, { gave: null });
        return state.broken ? { ...state, ...free } : state;
    }
  },
  leave: (state, { id }) => ({ ...state, line: state.line.filter((one) => one.id !== id) }),
};

function hold(hands: Hands<Mutex>, name: string, guard: MutexGuard | undefined): void {
  if (guard !== undefined) hands.held.push(() => hands.act("release", [name], () => guard.release()));
}

export const mutex: Subject<Mutex> = {
  make: () => new Mutex(),
  desk: desk,
  words: {
    acquire(hands) {
      const name = hands.item();
      const acquired = hands.call(
        "acquire",
        [name],
        () => hands.thing.acquire(),
        () => name,
      );
      return acquired.then((guard) => hold(hands, name, guard));
    },
    try(hands) {
      const name = hands.item();
      const tried = hands.act(
        "try",
        [name],
        () => hands.thing.tryAcquire(),
        (guard) => guard && name,
      );
      hold(hands, name, tried);
    },
    release: (hands) => hands.release(),
    again: (hands) => hands.releaseAgain(),
    locked: (hands) => hands.act("locked", [], () => hands.thing.locked),
    reset: (hands) => hands.act("reset", [], () => hands.thing.reset()),
  },
  seesEnds: true,
  atRest: (thing) => assert.equal(thing.statistics().waiting, 0),
};

export const mutexes: Primitive = {
  name: "Mutex",
  programs: [
    ...scripted("mutex", mutex, {
      "two take turns": { a: "acquire release", b: "acquire release" },
      barging: { a: "acquire release+try+locked", b: "acquire release" },
      twice: { a: "acquire acquire", b: "acquire" },
      "a guard of before": { a: "acquire release+again+locked", b: "try acquire" },
    }),
    ...scripted(
      "mutex",
      mutex,
      {
        "its owner ends": { a: "acquire keep", b: "acquire try" },
        "broken and mended": { a: "try keep", b: "try+reset+try" },
      },
      { seen: false },
    ),
    ...scripted(
      "mutex",
      mutex,
      {
        "the second owner ends": { a: "acquire release", b: "acquire keep", c: "acquire" },
        "three, none is cut": { a: "acquire release+locked+try release", b: "acquire release", c: "try release" },
      },
      { cancellations: 0 },
    ),
    ...scripted(
      "mutex",
      mutex,
      {
        "two are cut": {
          a: "acquire release",
          b: "acquire release+try",
          c: "acquire release",
          d: "acquire release+locked acquire",
        },
      },
      { tries: "many", cancellations: 2 },
    ),
    ...scripted(
      "mutex",
      mutex,
      { "ends, breaks, mends": { a: "acquire keep", b: "acquire release", c: "try reset acquire", d: "acquire keep" } },
      { tries: "many", cancellations: 2, seen: false, isLong: true },
    ),
  ],
};
