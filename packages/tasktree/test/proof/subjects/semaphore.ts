import assert from "node:assert/strict";
import { Semaphore, type Permit } from "../../../src/index.ts";
import type { Call, Desk } from "../desk.ts";
import { scripted, type Primitive } from "../prove.ts";
import type { Hands, Subject } from "../trial.ts";

/** How many are free; who holds one, oldest first (by the call that got it); who stands in line. */
interface State {
  readonly free: number;
  readonly held: readonly Call[];
  readonly line: readonly Call[];
}

function desk(permits: number, max: number): Desk<State> {
  return {
    initial: { free: permits, held: [], line: [] },
    hear(state, call, answer) {
      const { free, held, line } = state;
      const { id, task, name } = call;
      switch (name) {
        case "acquire":
          if (free === 0) return { ...state, line: [...line, call] };
          answer(id, got(call));
          return { ...state, free: free - 1, held: [...held, call] };
        case "try":
          answer(id, free > 0 ? got(call) : { gave: null });
          return free > 0 ? { ...state, free: free - 1, held: [...held, call] } : state;
        case "free":
          answer(id, { gave: free });
          return state;
        case "release":
          answer(id, { gave: null });
          return held.some((one) => one.args[0] === call.args[0])
            ? passed(without(state, call.args[0]), answer)
            : state;
        default: {
          // "give": a permit of one's own, else the oldest, else a new one
          const mine = held.find((one) => one.task === task) ?? held[0];
          if (mine === undefined && free >= max) return (answer(id, { threw: "InvalidStateError" }), state);
          answer(id, { gave: null });
          return passed(mine === undefined ? state : without(state, mine.args[0]), answer);
        }
      }
    },
    leave: (state, { id }) => ({ ...state, line: state.line.filter((one) => one.id !== id) }),
  };
}

function got({ args }: Call): { gave: unknown } {
  return { gave: args[0] };
}

function without(state: State, permit: unknown): State {
  return { ...state, held: state.held.filter(({ args }) => args[0] !== permit) };
}

/** One more permit: to the first in line, else to nobody. */
function passed(state: State, answer: Parameters<Desk<State>["hear"]>[2]): State {
  const [next, ...line] = state.line;
  if (next === undefined) return { ...state, free: state.free + 1 };
  answer(next.id, got(next));
  return { ...state, held: [...state.held, next], line };
}

type Hand = Hands<Semaphore>;

function hold(hands: Hand, name: string, permit: Permit | undefined): void {
  if (permit !== undefined) hands.held.push(() => hands.act("release", [name], () => permit.release()));
}

export function semaphore(permits: number, max = permits): Subject<Semaphore> {
  return {
    make: () => new Semaphore(permits, { max }),
    desk: desk(permits, max),
    words: {
      acquire: (hands) => {
        const name = hands.item();
        const acquired = hands.call(
          "acquire",
          [name],
          () => hands.thing.acquire(),
          () => name,
        );
        return acquired.then((permit) => hold(hands, name, permit));
      },
      try: (hands) => {
        const name = hands.item();
        hold(
          hands,
          name,
          hands.act(
            "try",
            [name],
            () => hands.thing.tryAcquire(),
            (permit) => permit && name,
          ),
        );
      },
      release: (hands) => hands.release(),
      again: (hands) => hands.releaseAgain(),
      give: (hands) => hands.act("give", [], () => hands.thing.release()),
      free: (hands) => hands.act("free", [], () => hands.thing.free),
    },
    atRest(thing) {
      const { held, waiting } = thing.statistics();
      assert.deepEqual({ held, waiting }, { held: 0, waiting: 0 });
      if (max === permits) assert.equal(thing.free, permits, "a permit is lost");
    },
  };
}

export const semaphores: Primitive = {
  name: "Semaphore",
  programs: [
    ...scripted("semaphore of one", semaphore(1), {
      "two take turns": { a: "acquire release", b: "acquire release" },
      barging: { a: "acquire release+try+free release", b: "acquire release" },
      "released twice": { a: "acquire release+again+free", b: "try" },
      "given back by another": { a: "acquire give", b: "acquire release+free" },
    }),
    ...scripted("semaphore of one", semaphore(1), {
      "one too many": { a: "give free", b: "acquire" },
    }),
    ...scripted("semaphore of two", semaphore(2), {
      "given back by another": { a: "acquire give free", b: "acquire release+free" },
      "tried, given back by another": { a: "acquire", b: "try+give+free release+free" },
    }),
    ...scripted(
      "semaphore of none",
      semaphore(0, Infinity),
      {
        signals: { a: "acquire", b: "give give", c: "acquire" },
      },
      { cancellations: 0 },
    ),
    ...scripted(
      "semaphore of one",
      semaphore(1),
      {
        "three in line": { a: "acquire release", b: "acquire release", c: "acquire release" },
      },
      { cancellations: 0 },
    ),
    ...scripted(
      "semaphore of two",
      semaphore(2),
      {
        "four want it": {
          a: "acquire acquire release",
          b: "acquire release",
          c: "try acquire",
          d: "acquire release free",
        },
      },
      { tries: "many", isLong: true },
    ),
    ...scripted(
      "semaphore of one",
      semaphore(1),
      { "two are cut": { a: "acquire release", b: "acquire release+try", c: "acquire release", d: "acquire release" } },
      { tries: "many", cancellations: 2 },
    ),
  ],
};
