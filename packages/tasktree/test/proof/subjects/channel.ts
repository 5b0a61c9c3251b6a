import assert from "node:assert/strict";
import { Channel, EndOfStream, type Receiver, type Sender } from "../../../src/index.ts";
import type { Call, Desk, Outcome } from "../desk.ts";
import { scripted, type Primitive } from "../prove.ts";
import type { Hands, Subject } from "../trial.ts";

/** What is buffered, who stands in the two lines, which sides are closed, and how many counted ends are open on each. */
interface State {
  readonly buffer: readonly unknown[];
  readonly senders: readonly Call[];
  readonly receivers: readonly Call[];
  readonly ended: boolean;
  readonly deaf: boolean;
  readonly sending: readonly unknown[];
  readonly receiving: readonly unknown[];
}

type Answer = (id: number, outcome: Outcome) => void;

const done: Outcome = { gave: null };
const closed: Outcome = { threw: "ClosedError" };
const broken: Outcome = { threw: "BrokenError" };

/** Calls bring the item, and the end that they come by (null for none). */
function desk(capacity: number, ends: readonly string[]): Desk<State> {
  return {
    initial: {
      buffer: [],
      senders: [],
      receivers: [],
      ended: false,
      deaf: false,
      sending: ends.filter((end) => end.startsWith("s")),
      receiving: ends.filter((end) => end.startsWith("r")),
    },
    hear(state, call, answer) {
      const { id, name, args } = call;
      const { buffer, senders, receivers, ended, deaf } = state;
      switch (name) {
        case "send":
        case "try send": {
          const [item, end] = args;
          const isGone = end !== null && !state.sending.includes(end);
          if (ended || deaf || isGone) return (answer(id, isGone || ended ? closed : broken), state);
          const accepted = name === "send" ? done : { gave: true };
          const [receiver, ...others] = receivers;
          if (receiver !== undefined) {
            answer(id, accepted);
            answer(receiver.id, { gave: item });
            return { ...state, receivers: others };
          }
          if (buffer.length < capacity) return (answer(id, accepted), { ...state, buffer: [...buffer, item] });
          if (name === "send") return { ...state, senders: [...senders, call] };
          answer(id, { gave: false });
          return state;
        }
        case "receive":
        case "try receive": {
          const [end] = args;
          if (deaf || (end !== null && !state.receiving.includes(end))) return (answer(id, closed), state);
          const [first, ...rest] = [...buffer, ...senders.map((one) => one.args[0])];
          if (first !== undefined) {
            answer(id, { gave: first });
            if (senders[0] !== undefined) answer(senders[0].id, done);
            const kept = buffer.length === 0 ? 0 : buffer.length - 1 + Math.min(1, senders.length);
            return { ...state, buffer: rest.slice(0, kept), senders: senders.slice(1) };
          }
          if (ended) return (answer(id, { threw: "EndOfStream" }), state);
          if (name === "receive") return { ...state, receivers: [...receivers, call] };
          return (answer(id, done), state);
        }
        case "close":
          answer(id, done);
          return end(state, answer);
        case "close receiving":
          answer(id, done);
          return deafen(state, answer);
        case "close sender": {
          answer(id, done);
          const sending = state.sending.filter((one) => one !== args[0]);
          if (sending.length === state.sending.length) return state;
          const mine = senders.filter((one) => one.args[1] === args[0]);
          for (const one of mine) answer(one.id, closed);
          const left = { ...state, sending, senders: senders.filter((one) => !mine.includes(one)) };
          return sending.length === 0 ? end(left, answer) : left;
        }
        default: {
          // "close receiver"
          answer(id, done);
          const receiving = state.receiving.filter((one) => one !== args[0]);
          if (receiving.length === state.receiving.length) return state;
          const mine = receivers.filter((one) => one.args[0] === args[0]);
          for (const one of mine) answer(one.id, closed);
          const left = { ...state, receiving, receivers: receivers.filter((one) => !mine.includes(one)) };
          return receiving.length === 0 ? deafen(left, answer) : left;
        }
      }
    },
    leave: (state, { id }) => ({
      ...state,
      senders: state.senders.filter((one) => one.id !== id),
      receivers: state.receivers.filter((one) => one.id !== id),
    }),
  };
}

function end(state: State, answer: Answer): State {
  if (state.ended) return state;
  for (const one of state.senders) answer(one.id, closed);
  for (const one of state.receivers) answer(one.id, { threw: "EndOfStream" });
  return { ...state, ended: true, senders: [], receivers: [] };
}

function deafen(state: State, answer: Answer): State {
  if (state.deaf) return state;
  for (const one of state.senders) answer(one.id, state.ended ? closed : broken);
  for (const one of state.receivers) answer(one.id, closed);
  return { ...state, deaf: true, buffer: [], senders: [], receivers: [] };
}

/** A channel with its ends, by names. */
interface Ends {
  readonly channel: Channel<string>;
  readonly senders: Readonly<Record<string, Sender<string>>>;
  readonly receivers: Readonly<Record<string, Receiver<string>>>;
}

type Hand = Hands<Ends>;

function make(capacity: number, ends: readonly string[]): Ends {
  const channel = new Channel<string>(capacity);
  const named = <E>(letter: string, one: () => E): Record<string, E> =>
    Object.fromEntries(ends.filter((end) => end.startsWith(letter)).map((end) => [end, one()]));
  return { channel, senders: named("s", () => channel.sender()), receivers: named("r", () => channel.receiver()) };
}

/** Tasks named like an end (`s…` sends, `r…` receives) use that; others use the channel itself. */
export function channel(capacity: number, ends: readonly string[] = []): Subject<Ends> {
  return {
    make: () => make(capacity, ends),
    desk: desk(capacity, ends),
    words: {
      send(hands) {
        const item = hands.item();
        return hands.call("send", [item, endOf(hands)], () => sender(hands).send(item));
      },
      /** Sends twice at a time. */
      both: (hands) => {
        const send = (): void => {
          const item = hands.item();
          void hands.call("send", [item, endOf(hands)], () => sender(hands).send(item)).catch(() => undefined);
        };
        send();
        send();
      },
      trysend(hands) {
        const item = hands.item();
        hands.act("try send", [item, endOf(hands)], () => sender(hands).trySend(item));
      },
      receive: (hands) => hands.call("receive", [endOf(hands)], () => receiver(hands).receive()),
      next(hands) {
        const iterator = receiver(hands)[Symbol.asyncIterator]();
        return hands.callInSteps("receive", [endOf(hands)], () => iterator.next().then(valueOrEnd));
      },
      tryreceive: (hands) => hands.act("try receive", [endOf(hands)], () => receiver(hands).tryReceive(), valueIn),
      close: (hands) => hands.act("close", [], () => hands.thing.channel.close()),
      deafen: (hands) => hands.act("close receiving", [], () => hands.thing.channel.closeReceiving()),
      leave(hands) {
        const { senders, receivers } = hands.thing;
        const name = hands.task in senders ? "close sender" : "close receiver";
        hands.act(name, [hands.task], () => (senders[hands.task] ?? receivers[hands.task])!.close());
      },
    },
    atRest({ channel }) {
      const { sending, receiving } = channel.statistics();
      assert.deepEqual({ sending, receiving }, { sending: 0, receiving: 0 });
    },
  };
}

function endOf({ thing, task }: Hand): string | null {
  return task in thing.senders || task in thing.receivers ? task : null;
}

function sender({ thing, task }: Hand): Pick<Sender<string>, "send" | "trySend"> {
  return thing.senders[task] ?? thing.channel;
}

function receiver({
  thing,
  task,
}: Hand): Pick<Receiver<string>, "receive" | "tryReceive" | typeof Symbol.asyncIterator> {
  return thing.receivers[task] ?? thing.channel;
}

function valueIn(item: unknown): unknown {
  return (item as { readonly value: unknown } | undefined)?.value;
}

function valueOrEnd({ done, value }: IteratorResult<string, undefined>): string {
  if (done === true) throw new EndOfStream("the loop is over");
  return value;
}

export const channels: Primitive = {
  name: "Channel",
  programs: [
    ...scripted("channel of 0", channel(0), {
      "hand-over": { a: "send send", b: "receive receive" },
      tries: { a: "send trysend", b: "tryreceive receive" },
      closed: { a: "send close", b: "receive" },
      deaf: { a: "send send", b: "receive deafen" },
    }),
    ...scripted("channel of 1", channel(1), {
      "hand-over": { a: "send send", b: "receive tryreceive" },
      closed: { a: "send send", b: "close receive next" },
      "deaf with an item": { a: "send", b: "deafen tryreceive" },
      deaf: { a: "send trysend", b: "tryreceive+deafen tryreceive" },
    }),
    ...scripted("channel of 0 with ends", channel(0, ["s1", "s2", "r1"]), {
      "one end waits twice": { s1: "both leave" },
    }),
    ...scripted("channel of 1 with ends", channel(1, ["r1"]), {
      "the receiver leaves": { a: "send send", r1: "receive leave" },
    }),
    ...scripted(
      "channel of 1 with ends",
      channel(1, ["s1", "s2", "r1"]),
      {
        "senders leave": { s1: "send leave", s2: "send+leave", r1: "receive receive" },
      },
      { cancellations: 0 },
    ),
    ...scripted(
      "channel of 0",
      channel(0),
      {
        "two and two": { a: "send send", b: "receive receive", c: "send", d: "next next" },
      },
      { tries: "many", cancellations: 2 },
    ),
    ...scripted(
      "channel of 0",
      channel(0),
      {
        "two receivers": { a: "receive receive", b: "receive tryreceive", c: "send+trysend send close" },
      },
      { tries: "many", cancellations: 2, isLong: true },
    ),
    ...scripted("channel of 2", channel(2), {
      filled: { a: "send send send", b: "receive trysend" },
    }),
    ...scripted(
      "channel of 2",
      channel(2),
      {
        "two and two": { a: "send send send", b: "receive receive next", c: "send trysend", d: "tryreceive receive" },
        "closed meanwhile": { a: "send send send", b: "send trysend", c: "receive receive close+receive" },
      },
      { tries: "many", isLong: true },
    ),
    ...scripted(
      "channel of 1 with ends",
      channel(1, ["s1", "s2", "r1", "r2"]),
      {
        "all leave": { s1: "send send leave", s2: "send leave", r1: "receive leave", r2: "next receive leave" },
      },
      { tries: "many" },
    ),
  ],
};
