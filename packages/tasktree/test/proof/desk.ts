/**
 * Models of things at which one may have to wait, as dual structures (W. Scherer, M. Scott, "Nonblocking concurrent data
 * structures with condition synchronization", 2004): a call is *heard* when it is made, and *answered* then or later, by
 * what others call. So a model knows who came first, and says who must be answered next: lines are part of it.
 */
import type { Model, Operation } from "./linearizable.ts";

/** What came of a call: a value, plain data; the name of the error it threw; or it was cut by a cancellation. */
export type Outcome =
  | { readonly gave: unknown }
  | { readonly threw: string }
  | { readonly cut: true }
  /** By time, which no model knows: as if nobody had called. */
  | { readonly late: unknown };

/** A call, as it was made. */
export interface Call {
  readonly id: number;
  readonly task: string;
  readonly name: string;
  readonly args: readonly unknown[];
  /** Undefined while it waits. */
  readonly outcome: Outcome | undefined;
}

/** A sequential model. */
export interface Desk<S> {
  readonly initial: S;
  /**
   * A call is made: gives what changes, and answers whoever is to be answered now. May look at its outcome where it may do one or
   * another; gives undefined if it may not have ended like that.
   */
  hear(state: S, call: Call, answer: (id: number, outcome: Outcome) => void): S | undefined;
  /** A call that was not answered is cut: it leaves its line. Default: nothing changes. */
  leave?(state: S, call: Call, answer: (id: number, outcome: Outcome) => void): S;
  /** A call that was cut does what it promises to do before it rejects. */
  comeBack?(state: S, call: Call, answer: (id: number, outcome: Outcome) => void): S;
}

/** A part of a call: being heard, leaving, coming back, being answered. */
export interface Part extends Operation {
  readonly name: "heard" | "left" | "came back" | "answered";
  readonly call: Call;
}

/** Stamps of a call. */
export interface Times {
  readonly begin: number;
  /** When it was heard at the latest. */
  readonly heard: number;
  readonly end: number;
  /** Whether its promise settles in the step that decides it. */
  readonly settlesAtOnce: boolean;
}

/** The parts that a call consists of. */
export function partsOf(call: Call, times: Times, desk: Desk<unknown>): Part[] {
  const { begin, heard, end, settlesAtOnce } = times;
  const certain = { call, begin, end, happened: "certain" } as const;
  const first: Part = { ...certain, name: "heard", end: heard };
  const { outcome } = call;
  // Something that was about to happen: it may have.
  if (outcome === undefined && heard === Infinity) return [{ ...first, happened: "possible" }];
  if (outcome === undefined) return [first, { ...certain, name: "answered", end: Infinity, happened: "waiting" }];
  const left = "cut" in outcome || "late" in outcome;
  if (!left) return [first, { ...certain, name: "answered" }];
  const parts: Part[] = [first, { ...certain, name: "left", begin: settlesAtOnce ? end : begin }];
  if (desk.comeBack !== undefined) parts.push({ ...certain, name: "came back" });
  return [...parts, { ...certain, name: "answered" }];
}

/** Where a model stands: its own state; what was answered and has not ended; who has left. */
interface State<S> {
  readonly own: S;
  readonly answers: Readonly<Record<number, Outcome>>;
  readonly heard: readonly number[];
  readonly left: readonly number[];
}

/** What a desk says of the parts of calls. */
export function modelOf<S>(desk: Desk<S>): Model<State<S>, Part> {
  const isHarmless = ({ name }: Part): boolean => name === "answered";
  return { initial: { own: desk.initial, answers: {}, heard: [], left: [] }, next, isHarmless };

  function next(state: State<S>, part: Part): readonly State<S>[] {
    const after = one(state, part);
    return after === undefined ? [] : [after];
  }

  function one(state: State<S>, { name, call, happened }: Part): State<S> | undefined {
    const { id, outcome } = call;
    const answers: Record<number, Outcome> = { ...state.answers };
    const answer = (to: number, what: Outcome): void => void (answers[to] = what);
    if (name === "heard") {
      const own = desk.hear(state.own, call, answer);
      return own === undefined ? undefined : { ...state, own, answers, heard: [...state.heard, id] };
    }
    if (!state.heard.includes(id)) return undefined;
    if (name === "left") {
      if (id in answers) return undefined;
      if (desk.comeBack === undefined) answers[id] = outcome!;
      const own = desk.leave?.(state.own, call, answer) ?? state.own;
      return { ...state, own, answers, left: [...state.left, id] };
    }
    if (name === "came back") {
      if (!state.left.includes(id)) return undefined;
      return { ...state, own: desk.comeBack!(state.own, call, answer), answers };
    }
    if (!(id in answers)) return undefined;
    if (happened === "certain" && JSON.stringify(answers[id]) !== JSON.stringify(outcome)) return undefined;
    delete answers[id];
    return { ...state, answers };
  }
}
