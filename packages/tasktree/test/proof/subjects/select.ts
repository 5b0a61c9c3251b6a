import assert from "node:assert/strict";
import { after, Channel, select, trySelect, type Selectable, type Timeout } from "../../../src/index.ts";
import type { Call, Desk, Outcome } from "../desk.ts";
import { late } from "../history.ts";
import { scripted, type Primitive } from "../prove.ts";
import type { Hands, Subject } from "../trial.ts";

/** What somebody wants of a channel: to send an item (if there is one), or to receive; under a key, if by a select. */
interface Wish {
  readonly channel: string;
  readonly item?: unknown;
}

interface Place extends Wish {
  readonly id: number;
  readonly key: string | undefined;
}

/** For each channel what it has; and who stands in its lines, by order of coming. */
interface State {
  readonly buffers: Readonly<Record<string, readonly unknown[]>>;
  readonly line: readonly Place[];
}

type Answer = (id: number, outcome: Outcome) => void;

/** Calls bring wishes by keys; a plain send or receive has the key "". */
function desk(capacity: number): Desk<State> {
  return {
    initial: { buffers: { x: [], y: [] }, line: [] },
    hear(state, call, answer) {
      const wishes = Object.entries(call.args[0] as Readonly<Record<string, Wish>>);
      const ready = wishes.filter(([, wish]) => isReady(state, wish));
      if (ready.length === 0 && call.name === "try") return (answer(call.id, { gave: null }), state);
      if (ready.length === 0)
        return { ...state, line: [...state.line, ...wishes.map(([key, wish]) => place(call, key, wish))] };
      const { outcome } = call;
      const chosen = outcome !== undefined && "gave" in outcome ? (outcome.gave as unknown[] | null)?.[0] : undefined;
      const taken = wishes.length === 1 ? ready[0] : ready.find(([key]) => key === chosen);
      return taken && fulfilled(state, place(call, taken[0], taken[1]), answer);
    },
    leave: without,
  };

  function isReady({ buffers, line }: State, { channel, item }: Wish): boolean {
    const others = line.some((one) => one.channel === channel && (one.item === undefined) !== (item === undefined));
    const { length } = buffers[channel]!;
    return others || (item === undefined ? length > 0 : length < capacity);
  }

  /** It gets its wish, and with it whoever stood in line for that. */
  function fulfilled(state: State, mine: Place, answer: Answer): State {
    const { channel, item } = mine;
    const buffer = state.buffers[channel]!;
    const other = state.line.find(
      (one) => one.channel === channel && (one.item === undefined) !== (item === undefined),
    );
    const rest = other === undefined ? state : without(state, other);
    if (item === undefined) {
      const [first, ...left] = other === undefined ? buffer : [...buffer, other.item];
      answer(mine.id, given(mine, first));
      if (other !== undefined) answer(other.id, given(other, null));
      return { ...rest, buffers: { ...state.buffers, [channel]: left } };
    }
    answer(mine.id, given(mine, null));
    if (other === undefined) return { ...rest, buffers: { ...state.buffers, [channel]: [...buffer, item] } };
    answer(other.id, given(other, item));
    return rest;
  }
}

function place({ id }: Call, key: string, wish: Wish): Place {
  return { id, key: key === "" ? undefined : key, ...wish };
}

/** Out of all lines. */
function without(state: State, { id }: { readonly id: number }): State {
  return { ...state, line: state.line.filter((one) => one.id !== id) };
}

function given({ key }: Place, value: unknown): Outcome {
  return { gave: key === undefined ? value : [key, value] };
}

type Channels = Readonly<Record<"x" | "y", Channel<string>>>;

/** "x?" receives from x, "y!" sends to y, "t" is a time. */
function casesOf(
  hands: Hands<Channels>,
  words: readonly string[],
): [Record<string, Wish>, Record<string, Selectable<unknown> | Timeout>] {
  const wishes: Record<string, Wish> = {};
  const cases: Record<string, Selectable<unknown> | Timeout> = {};
  for (const word of words) {
    const channel = word.charAt(0) as "x" | "y";
    const item = word.endsWith("!") ? hands.item() : undefined;
    if (word === "t") cases[word] = after(10);
    else wishes[word] = { channel, ...(item === undefined ? undefined : { item }) };
    if (word !== "t") cases[word] = item === undefined ? hands.thing[channel] : hands.thing[channel].sending(item);
  }
  return [wishes, cases];
}

function shown(selected: unknown): unknown {
  if (selected === undefined) return null;
  const { key, value } = selected as { readonly key: string; readonly value: unknown };
  return key === "t" ? late : [key, value ?? null];
}

type Word = Subject<Channels>["words"][string];

function selecting(...words: string[]): Word {
  return (hands) => {
    const [wishes, cases] = casesOf(hands, words);
    return hands.callInSteps("select", [wishes], () => select(cases), shown);
  };
}

function trying(...words: string[]): Word {
  return (hands) => {
    const [wishes, cases] = casesOf(hands, words);
    hands.act("try", [wishes], () => trySelect(cases), shown);
  };
}

function plain(word: string): Word {
  return (hands) => {
    const [wishes] = casesOf(hands, [word]);
    const [wish] = Object.values(wishes);
    const channel = hands.thing[wish!.channel as "x" | "y"];
    const call = (): Promise<unknown> =>
      wish!.item === undefined ? channel.receive() : channel.send(wish!.item as string);
    return hands.call("plain", [{ "": wish }], call);
  };
}

function selections(capacity: number): Subject<Channels> {
  return {
    make: () => ({ x: new Channel(capacity), y: new Channel(capacity) }),
    desk: desk(capacity),
    words: {
      "x?": plain("x?"),
      "x!": plain("x!"),
      "y?": plain("y?"),
      "y!": plain("y!"),
      "x?y?": selecting("x?", "y?"),
      "x!y!": selecting("x!", "y!"),
      "x?y!": selecting("x?", "y!"),
      "x!x?": selecting("x!", "x?"),
      "x?t": selecting("x?", "t"),
      "tryx?y!": trying("x?", "y!"),
    },
    atRest({ x, y }) {
      for (const { sending, receiving } of [x.statistics(), y.statistics()])
        assert.deepEqual([sending, receiving], [0, 0]);
    },
  };
}

export const selects: Primitive = {
  name: "select",
  programs: [
    ...scripted(
      "select of 0",
      selections(0),
      {
        "one of two": { a: "x?y?", b: "x!", c: "y!" },
      },
      { cancellations: 0 },
    ),
    ...scripted("select of 0", selections(0), {
      "in time or late": { a: "x?t x?", b: "x!" },
      "two meet": { a: "x?y!", b: "x!y!" },
      "never itself": { a: "x!x?", b: "tryx?y!" },
    }),
    ...scripted("select of 1", selections(1), { "room or item": { a: "x?y! tryx?y!", b: "x! y?" } }),
    ...scripted(
      "select of 0",
      selections(0),
      {
        "many meet": { a: "x?y? x!y!", b: "x!y! x?y!", c: "x!x? tryx?y!", d: "y? x! x?t" },
      },
      { tries: "many", cancellations: 2 },
    ),
    ...scripted(
      "select of 1",
      selections(1),
      {
        "many meet": { a: "x?y? x!y!", b: "x!y! x?y!", c: "x!x? tryx?y!", d: "y? x! x?t" },
      },
      { tries: "many", isLong: true },
    ),
  ],
};
