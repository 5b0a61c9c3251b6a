import assert from "node:assert/strict";
import { Condition, type MutexGuard } from "../../../src/index.ts";
import type { Call, Desk, Outcome } from "../desk.ts";
import { scripted, type Primitive } from "../prove.ts";
import type { Hands, Subject } from "../trial.ts";

/** Who stands in the mutex's line, and what he is told when he holds it. */
interface Waiter {
  readonly id: number;
  readonly task: string;
  readonly outcome: Outcome;
  readonly wasNotified: boolean;
}

interface State {
  readonly owner: string | undefined;
  readonly line: readonly Waiter[];
  readonly waiting: readonly Waiter[];
  /** Whoever was cut after having been notified: the notification goes on when he comes back. */
  readonly passOn: readonly number[];
}

type Answer = (id: number, outcome: Outcome) => void;

const done: Outcome = { gave: null };
const refused: Outcome = { threw: "InvalidStateError" };

const desk: Desk<State> = {
  initial: { owner: undefined, line: [], waiting: [], passOn: [] },
  hear(state, call, answer) {
    const { id, task, name, args } = call;
    const isMine = state.owner === task;
    switch (name) {
      case "acquire":
        if (isMine) return (answer(id, { threw: "DeadlockError" }), state);
        return linedUp(state, waiter(call, false), answer);
      case "release":
        answer(id, done);
        return isMine ? handedOn(state, answer) : state;
      case "wait":
        if (!isMine) return (answer(id, refused), state);
        return handedOn({ ...state, waiting: [...state.waiting, waiter(call, false)] }, answer);
      default: {
        // "notify"
        answer(id, isMine ? done : refused);
        let after = state;
        for (let left = isMine ? (args[0] as number) : 0; left > 0; left--) after = notified(after, answer);
        return after;
      }
    }
  },
  leave(state, { id }) {
    const isOther = (one: Waiter): boolean => one.id !== id;
    const passOn = state.line.some((one) => one.id === id && one.wasNotified) ? [...state.passOn, id] : state.passOn;
    return { ...state, passOn, line: state.line.filter(isOther), waiting: state.waiting.filter(isOther) };
  },
  comeBack(state, call, answer) {
    const cut = { id: call.id, task: call.task, outcome: call.outcome!, wasNotified: false };
    if (call.name !== "wait") return (answer(call.id, call.outcome!), state);
    const passes = state.passOn.includes(call.id);
    const passed = passes ? notified({ ...state, passOn: state.passOn.filter((id) => id !== call.id) }, answer) : state;
    return linedUp(passed, cut, answer);
  },
};

function waiter({ id, task }: Call, wasNotified: boolean): Waiter {
  return { id, task, outcome: done, wasNotified };
}

function linedUp(state: State, one: Waiter, answer: Answer): State {
  if (state.owner !== undefined) return { ...state, line: [...state.line, one] };
  answer(one.id, one.outcome);
  return { ...state, owner: one.task };
}

/** The mutex goes to the next in line. */
function handedOn(state: State, answer: Answer): State {
  const [next, ...line] = state.line;
  if (next === undefined) return { ...state, owner: undefined };
  answer(next.id, next.outcome);
  return { ...state, owner: next.task, line };
}

function notified(state: State, answer: Answer): State {
  const [first, ...waiting] = state.waiting;
  return first === undefined ? state : linedUp({ ...state, waiting }, { ...first, wasNotified: true }, answer);
}

function hold(hands: Hands<Condition>, guard: MutexGuard): void {
  hands.held.push(() => hands.act("release", [], () => guard.release()));
}

export const condition: Subject<Condition> = {
  make: () => new Condition(),
  desk: desk,
  words: {
    acquire: (hands) =>
      hands
        .call(
          "acquire",
          [],
          () => hands.thing.acquire(),
          () => null,
        )
        .then((guard) => hold(hands, guard)),
    release: (hands) => hands.release(),
    wait: (hands) => hands.callInSteps("wait", [], () => hands.thing.wait()),
    notify: (hands) => hands.act("notify", [1], () => hands.thing.notify()),
    notifyall: (hands) => hands.act("notify", [9], () => hands.thing.notifyAll()),
  },
  atRest(thing) {
    assert.deepEqual(thing.statistics(), { waiting: 0, notified: 0 });
    assert.deepEqual(thing.mutex.statistics(), { locked: false, broken: false, waiting: 0 });
  },
};

export const conditions: Primitive = {
  name: "Condition",
  programs: [
    ...scripted(
      "condition",
      condition,
      {
        notified: { a: "acquire+wait release", b: "acquire notify+release" },
        "without the mutex": { a: "wait acquire", b: "notify" },
      },
      { seen: false },
    ),
    ...scripted(
      "condition",
      condition,
      {
        "one is told, and cut": { a: "acquire wait release", b: "acquire wait release", c: "acquire+notify release" },
      },
      { tries: "many", isLong: true },
    ),
    ...scripted(
      "condition",
      condition,
      {
        "all are told": { a: "acquire wait release", b: "acquire wait release", c: "acquire notifyall release" },
        "one of two": { a: "acquire wait release", b: "acquire wait release", c: "acquire notify release" },
      },
      { cancellations: 0 },
    ),
    ...scripted(
      "condition",
      condition,
      {
        "two wait": {
          a: "acquire wait release",
          b: "acquire wait+notify release",
          c: "acquire notify release",
          d: "acquire release",
        },
      },
      { tries: "many", cancellations: 2 },
    ),
    ...scripted(
      "condition",
      condition,
      {
        "all go on": {
          a: "acquire wait release",
          b: "acquire wait wait release",
          c: "acquire notifyall+release acquire notify",
        },
      },
      { tries: "many", cancellations: 2, isLong: true },
    ),
  ],
};
