import assert from "node:assert/strict";
import { MemoryQueue, type Lease } from "../../../src/queues/index.ts";
import type { Call, Desk, Outcome } from "../desk.ts";
import { scripted, type Primitive } from "../prove.ts";
import type { Hands, Subject } from "../trial.ts";

/** An attempt at an item, with its place in line. */
interface Attempt {
  readonly item: unknown;
  readonly attempt: number;
  readonly place: number;
}

interface State {
  readonly ready: readonly Attempt[];
  readonly leased: readonly Attempt[];
  readonly putters: readonly Call[];
  readonly takers: readonly number[];
  readonly joiners: readonly number[];
  readonly places: number;
  readonly isClosed: boolean;
  readonly isOver: boolean;
}

type Answer = (id: number, outcome: Outcome) => void;

const done: Outcome = { gave: null };
const closed: Outcome = { threw: "ClosedError" };
const nothing: State = {
  ready: [],
  leased: [],
  putters: [],
  takers: [],
  joiners: [],
  places: 0,
  isClosed: false,
  isOver: false,
};

interface Limits {
  readonly capacity: number;
  readonly maxAttempts: number;
}

function desk({ capacity, maxAttempts }: Limits): Desk<State> {
  return {
    initial: nothing,
    hear(state, call, answer) {
      const { id, name, args } = call;
      switch (name) {
        case "put":
        case "try put":
          if (state.isClosed) return (answer(id, closed), state);
          if (hasRoom(state)) {
            answer(id, name === "put" ? done : { gave: true });
            return added(state, args[0], answer);
          }
          if (name === "try put") return (answer(id, { gave: false }), state);
          return { ...state, putters: [...state.putters, call] };
        case "take":
        case "try take": {
          const [first, ...ready] = state.ready;
          if (first !== undefined) {
            answer(id, { gave: shown(first) });
            return admitted({ ...state, ready, leased: [...state.leased, first] }, answer);
          }
          if (name === "try take") return (answer(id, done), state);
          if (isAtEnd(state)) return (answer(id, { threw: "EndOfStream" }), state);
          return { ...state, takers: [...state.takers, id] };
        }
        case "join":
          if (isIdle(state)) return (answer(id, done), state);
          return { ...state, joiners: [...state.joiners, id] };
        case "close":
        case "close now": {
          answer(id, done);
          for (const one of state.putters) answer(one.id, closed);
          const isOver = state.isOver || name === "close now";
          const ready = isOver ? [] : state.ready;
          return settled({ ...state, ready, putters: [], isClosed: true, isOver }, answer);
        }
        default:
          return ended(state, call, answer);
      }
    },
    leave: (state, { id }) => ({
      ...state,
      putters: state.putters.filter((one) => one.id !== id),
      takers: state.takers.filter((one) => one !== id),
      joiners: state.joiners.filter((one) => one !== id),
    }),
  };

  function hasRoom({ ready, takers, putters }: State): boolean {
    return putters.length === 0 && (ready.length < capacity || takers.length > 0);
  }

  /** Who waits with an item puts it in, as far as there is room. */
  function admitted(state: State, answer: Answer): State {
    const [next, ...putters] = state.putters;
    if (next === undefined || state.ready.length >= capacity) return state;
    answer(next.id, done);
    return admitted(added({ ...state, putters }, next.args[0], answer), answer);
  }

  /** A lease is over: "ack", "retry", "reject" or "back". */
  function ended(state: State, { id, name, args }: Call, answer: Answer): State {
    const lease = state.leased.find((one) => shown(one) === args[0]);
    answer(id, lease !== undefined || name === "back" ? done : { threw: "InvalidStateError" });
    if (lease === undefined) return state;
    const after = { ...state, leased: state.leased.filter((one) => one !== lease) };
    const comesBack = name === "back" || (name === "retry" && lease.attempt < maxAttempts);
    if (!comesBack || state.isOver) return settled(after, answer);
    const attempt = lease.attempt + (name === "retry" ? 1 : 0);
    return settled(handedOver(after, { ...lease, attempt }, answer), answer);
  }
}

function added(state: State, item: unknown, answer: Answer): State {
  const place = state.places + 1;
  return handedOver({ ...state, places: place }, { item, attempt: 1, place }, answer);
}

/** To the first who waits, or to its place in line. */
function handedOver(state: State, one: Attempt, answer: Answer): State {
  const [taker, ...takers] = state.takers;
  if (taker === undefined) return { ...state, ready: [...state.ready, one].toSorted((a, b) => a.place - b.place) };
  answer(taker, { gave: shown(one) });
  return { ...state, takers, leased: [...state.leased, one] };
}

function settled(state: State, answer: Answer): State {
  if (isIdle(state)) for (const id of state.joiners) answer(id, done);
  if (isAtEnd(state)) for (const id of state.takers) answer(id, { threw: "EndOfStream" });
  return { ...state, joiners: isIdle(state) ? [] : state.joiners, takers: isAtEnd(state) ? [] : state.takers };
}

function isIdle({ ready, leased }: State): boolean {
  return ready.length + leased.length === 0;
}

function isAtEnd(state: State): boolean {
  return state.isOver || (state.isClosed && isIdle(state));
}

function shown({ item, attempt }: { readonly item: unknown; readonly attempt: number }): string {
  return `${item as string}#${attempt}`;
}

function shownLease(lease: unknown): unknown {
  return lease === undefined ? null : shown(lease as Lease<string>);
}

type Hand = Hands<MemoryQueue<string>>;

/** What each task got last, and how it gives that back. */
const last = new WeakMap<Hand, { readonly lease: Lease<string>; readonly giveBack: () => void }>();

function hold(hands: Hand, lease: Lease<string> | undefined): void {
  if (lease === undefined) return;
  const giveBack = (): void => hands.act("back", [shown(lease)], () => void lease[Symbol.asyncDispose]());
  last.set(hands, { lease, giveBack });
  hands.held.push(giveBack);
}

/** Settles what was got last, which then is no longer to be given back at the end. */
function settling(name: string, settle: (lease: Lease<string>) => Promise<void>): (hands: Hand) => unknown {
  return (hands) => {
    const got = last.get(hands);
    if (got === undefined) return undefined;
    if (hands.held.at(-1) === got.giveBack) hands.held.pop();
    return hands.call(name, [shown(got.lease)], () => settle(got.lease));
  };
}

function memoryQueue(limits: Limits): Subject<MemoryQueue<string>> {
  return {
    make: () => new MemoryQueue(limits),
    desk: desk(limits),
    words: {
      put(hands) {
        const item = hands.item();
        return hands.call("put", [item], () => hands.thing.put(item));
      },
      tryput(hands) {
        const item = hands.item();
        hands.act("try put", [item], () => hands.thing.tryPut(item));
      },
      take: (hands) => hands.call("take", [], () => hands.thing.take(), shownLease).then((lease) => hold(hands, lease)),
      trytake: (hands) =>
        hold(
          hands,
          hands.act("try take", [], () => hands.thing.tryTake(), shownLease),
        ),
      ack: settling("ack", (lease) => lease.ack()),
      retry: settling("retry", (lease) => lease.retry()),
      reject: settling("reject", (lease) => lease.reject()),
      back: (hands) => hands.release(),
      join: (hands) => hands.call("join", [], () => hands.thing.join()),
      close: (hands) => hands.call("close", [], () => hands.thing.close()),
      closenow: (hands) => hands.call("close now", [], () => hands.thing.close({ now: true })),
    },
    atRest(thing) {
      const { leased, waitingPuts, waitingTakes, waitingJoins } = thing.statistics();
      assert.deepEqual(
        { leased, waitingPuts, waitingTakes, waitingJoins },
        { leased: 0, waitingPuts: 0, waitingTakes: 0, waitingJoins: 0 },
      );
    },
  };
}

export const memoryQueues: Primitive = {
  name: "MemoryQueue",
  programs: [
    ...scripted("queue of 1", memoryQueue({ capacity: 1, maxAttempts: 2 }), {
      "put and take": { a: "put put", b: "take ack take" },
      "tried again": { a: "put+join", b: "take retry+trytake retry" },
      closed: { a: "put put", b: "take close+take" },
      "closed now, given back": { a: "put", b: "take closenow back+trytake" },
      "settled twice": { a: "put", b: "take ack+ack" },
      "closed now": { a: "put tryput", b: "take closenow" },
    }),
    ...scripted(
      "queue of 1",
      memoryQueue({ capacity: 1, maxAttempts: 2 }),
      {
        "given back": { a: "put", b: "take back", c: "take" },
        "closed while somebody takes": { a: "put", b: "take close ack", c: "take" },
      },
      { cancellations: 0 },
    ),
    ...scripted("queue of 2", memoryQueue({ capacity: 2, maxAttempts: 3 }), {
      "comes back": { a: "put put", b: "take back take" },
    }),
    ...scripted(
      "queue of 2",
      memoryQueue({ capacity: 2, maxAttempts: 3 }),
      {
        "two and two": { a: "put put put", b: "put join", c: "take retry take ack", d: "take back take ack" },
      },
      { tries: "many", cancellations: 2 },
    ),
    ...scripted(
      "queue of 1",
      memoryQueue({ capacity: 1, maxAttempts: 2 }),
      {
        "two and two, closed": {
          a: "put tryput put",
          b: "put close",
          c: "take reject take retry",
          d: "trytake take ack+ack",
        },
      },
      { tries: "many", isLong: true },
    ),
  ],
};
