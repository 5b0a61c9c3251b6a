import assert from "node:assert/strict";
import { Broadcast, type Subscription, type WhenFull } from "../../../src/index.ts";
import type { Call, Desk, Outcome } from "../desk.ts";
import { scripted, type Primitive } from "../prove.ts";
import type { Subject } from "../trial.ts";

/** One subscription: what it has, who waits for more, and how it has ended. */
interface Subscribed {
  readonly whenFull: WhenFull;
  readonly capacity: number;
  readonly buffer: readonly unknown[];
  readonly line: readonly number[];
  readonly end: "none" | "over" | "too slow" | "closed";
}

interface State {
  readonly subscribed: Readonly<Record<string, Subscribed>>;
  readonly publishers: readonly Call[];
  readonly isClosed: boolean;
}

type Answer = (id: number, outcome: Outcome) => void;

const done: Outcome = { gave: null };
const closed: Outcome = { threw: "ClosedError" };
const ends: Readonly<Record<string, Outcome>> = {
  over: { threw: "EndOfStream" },
  "too slow": { threw: "BrokenError" },
  closed: closed,
};

type Settings = Readonly<Record<string, readonly [WhenFull, number]>>;

function desk(settings: Settings): Desk<State> {
  const subscribed = Object.entries(settings).map(([name, [whenFull, capacity]]) => [
    name,
    { whenFull, capacity, buffer: [], line: [], end: "none" },
  ]);
  return {
    initial: { subscribed: Object.fromEntries(subscribed), publishers: [], isClosed: false },
    hear(state, call, answer) {
      const { id, name, args } = call;
      switch (name) {
        case "publish":
        case "try publish":
          if (state.isClosed) return (answer(id, closed), state);
          if (isFull(state) && name === "publish") return { ...state, publishers: [...state.publishers, call] };
          answer(id, name === "publish" ? done : { gave: !isFull(state) });
          return isFull(state) ? state : given(state, args[0], answer);
        case "receive":
          return received(state, id, args[0] as string, answer);
        case "close subscription": {
          answer(id, done);
          const one = state.subscribed[args[0] as string]!;
          for (const waiting of one.line) answer(waiting, closed);
          return admitted(changed(state, args[0] as string, { buffer: [], line: [], end: "closed" }), answer);
        }
        default:
          answer(id, done);
          return state.isClosed ? state : over(state, answer);
      }
    },
    leave: (state, { id }) => ({
      ...state,
      publishers: state.publishers.filter((one) => one.id !== id),
      subscribed: mapped(state, (one) => ({ ...one, line: one.line.filter((waiting) => waiting !== id) })),
    }),
  };
}

function mapped(state: State, change: (one: Subscribed) => Subscribed): State["subscribed"] {
  return Object.fromEntries(Object.entries(state.subscribed).map(([name, one]) => [name, change(one)]));
}

function changed(state: State, name: string, change: Partial<Subscribed>): State {
  return { ...state, subscribed: { ...state.subscribed, [name]: { ...state.subscribed[name]!, ...change } } };
}

function isFull({ subscribed }: State): boolean {
  return Object.values(subscribed).some(
    ({ whenFull, buffer, capacity, end }) => end === "none" && whenFull === "wait" && buffer.length === capacity,
  );
}

/** Everybody gets it. */
function given(state: State, item: unknown, answer: Answer): State {
  const subscribed = mapped(state, (one) => {
    if (one.end !== "none") return one;
    const [first, ...line] = one.line;
    if (first !== undefined) return (answer(first, { gave: item }), { ...one, line });
    if (one.buffer.length < one.capacity) return { ...one, buffer: [...one.buffer, item] };
    return one.whenFull === "fail" ? { ...one, end: "too slow" } : { ...one, buffer: [...one.buffer.slice(1), item] };
  });
  return { ...state, subscribed };
}

function received(state: State, id: number, name: string, answer: Answer): State {
  const { buffer, line, end } = state.subscribed[name]!;
  if (buffer.length > 0) {
    answer(id, { gave: buffer[0] });
    return admitted(changed(state, name, { buffer: buffer.slice(1) }), answer);
  }
  if (end === "none") return changed(state, name, { line: [...line, id] });
  answer(id, ends[end]!);
  return state;
}

/** Who waits to publish does so while nobody holds it up. */
function admitted(state: State, answer: Answer): State {
  const [next, ...publishers] = state.publishers;
  if (next === undefined || isFull(state)) return state;
  answer(next.id, done);
  return admitted(given({ ...state, publishers }, next.args[0], answer), answer);
}

function over(state: State, answer: Answer): State {
  for (const { id } of state.publishers) answer(id, closed);
  const subscribed = mapped(state, (one) => {
    if (one.end !== "none") return one;
    for (const id of one.line) answer(id, ends["over"]!);
    return { ...one, line: [], end: "over" };
  });
  return { isClosed: true, publishers: [], subscribed };
}

interface Station {
  readonly broadcast: Broadcast<string>;
  readonly subscriptions: Readonly<Record<string, Subscription<string>>>;
}

function make(settings: Settings): Station {
  const broadcast = new Broadcast<string>();
  const subscriptions = Object.entries(settings).map(([name, [whenFull, capacity]]) => [
    name,
    broadcast.subscribe({ whenFull, capacity }),
  ]);
  return { broadcast, subscriptions: Object.fromEntries(subscriptions) };
}

/** Tasks named like a subscription receive from it. */
function broadcast(settings: Settings): Subject<Station> {
  return {
    make: () => make(settings),
    desk: desk(settings),
    words: {
      publish(hands) {
        const item = hands.item();
        return hands.call("publish", [item], () => hands.thing.broadcast.publish(item));
      },
      trypublish(hands) {
        const item = hands.item();
        hands.act("try publish", [item], () => hands.thing.broadcast.tryPublish(item));
      },
      receive: (hands) => hands.call("receive", [hands.task], () => hands.thing.subscriptions[hands.task]!.receive()),
      leave: (hands) =>
        hands.act("close subscription", [hands.task], () => hands.thing.subscriptions[hands.task]!.close()),
      close: (hands) => hands.act("close", [], () => hands.thing.broadcast.close()),
    },
    atRest({ broadcast, subscriptions }) {
      assert.equal(broadcast.statistics().publishing, 0);
      for (const one of Object.values(subscriptions)) assert.equal(one.statistics().receiving, 0);
    },
  };
}

export const broadcasts: Primitive = {
  name: "Broadcast",
  programs: [
    ...scripted("broadcast, wait", broadcast({ r: ["wait", 1] }), {
      "held up": { a: "publish publish", r: "receive receive" },
      "leaves at once": { a: "publish publish", r: "leave" },
      leaves: { a: "publish publish", r: "receive leave" },
      closed: { a: "publish publish close", r: "receive receive receive" },
    }),
    ...scripted("broadcast, drop", broadcast({ r: ["drop oldest", 1] }), {
      "too slow": { a: "publish publish trypublish", r: "receive receive" },
    }),
    ...scripted(
      "broadcast, fail",
      broadcast({ r: ["fail", 1], q: ["wait", 2] }),
      {
        "too slow": { a: "publish publish", r: "receive receive", q: "receive" },
      },
      { cancellations: 0 },
    ),
    ...scripted("broadcast, mixed", broadcast({ r: ["wait", 1] }), {
      closed: { a: "publish publish", b: "close" },
    }),
    ...scripted(
      "broadcast, mixed",
      broadcast({ r: ["wait", 1], q: ["wait", 2], d: ["drop oldest", 1], f: ["fail", 1] }),
      {
        "two publish": {
          a: "publish publish",
          b: "publish trypublish",
          r: "receive receive receive",
          q: "receive receive leave",
          d: "receive",
          f: "receive receive",
        },
      },
      { tries: "many", cancellations: 2 },
    ),
  ],
};
