import { BrokenError, isCancelled, TimeoutError } from "../../errors.ts";
import type { ByteStream } from "../../streams/byte-stream.ts";
import { WatchedLine } from "../../streams/watched-line.ts";
import { WiredStream } from "../../streams/wired-stream.ts";
import type { Fabric } from "./fabric.ts";
import { Lane } from "./lane.ts";
import type { NetworkEvent } from "./schedule.ts";

/** 0 is the end that has connected, 1 the one that was accepted. */
export type Side = 0 | 1;

export interface Route {
  readonly from: string;
  readonly to: string;
  readonly port: number;
}

/** Two ends and what is between them, from the call to open it until both ends are closed or broken. */
export class Connection {
  readonly route: Route;
  readonly #fabric: Fabric;
  readonly #ends: readonly [WiredStream, WiredStream];
  readonly #lanes: readonly [Lane, Lane];
  readonly #finished: [boolean, boolean] = [false, false];
  /** Who has connected, until there is an answer. */
  readonly #caller: WatchedLine<ByteStream, undefined>;
  #patience: NetworkEvent | undefined = undefined;

  constructor(fabric: Fabric, route: Route) {
    const { from, to, port } = route;
    this.route = route;
    this.#fabric = fabric;
    this.#lanes = [new Lane(fabric, fabric.link(from, to), this, 0), new Lane(fabric, fabric.link(to, from), this, 1)];
    const { capacity } = fabric.conditions;
    this.#ends = [
      new WiredStream(`the stream of '${from}' to '${to}:${port}'`, capacity, this.#lanes[0]),
      new WiredStream(`the stream of '${to}:${port}' to '${from}'`, capacity, this.#lanes[1]),
    ];
    this.#caller = new WatchedLine(
      (change) => fabric.schedule.waits(change),
      () => `an answer from '${to}:${port}'`,
    );
  }

  /** Whether nothing can be sent any more. */
  get isOver(): boolean {
    return this.#finished[0] && this.#finished[1];
  }

  get isOpening(): boolean {
    return this.#caller.size > 0;
  }

  /** The end that does not belong to `side`. */
  other(side: Side): WiredStream {
    return this.#ends[side === 0 ? 1 : 0];
  }

  /** Calls the other host, where `answer` is asked whether it takes the new stream. */
  async open(answer: (stream: WiredStream) => boolean): Promise<ByteStream> {
    const { connections, schedule, conditions } = this.#fabric;
    connections.add(this);
    const answered = this.#caller.wait(undefined);
    if (conditions.giveUpAfter < Infinity)
      this.#patience = schedule.at(schedule.time + conditions.giveUpAfter, () => this.giveUp(0));
    this.#lanes[0].send(() => {
      if (answer(this.#ends[1])) this.#lanes[1].send(() => this.#accepted());
      else this.#lanes[1].send(() => this.#refused());
    });
    try {
      return await answered;
    } catch (error) {
      if (isCancelled(error)) this.#hangUp();
      throw error;
    }
  }

  /** An end is closed or broken: it says nothing more. */
  finish(side: Side): void {
    this.#finished[side] = true;
    if (!this.isOver) return;
    this.#fabric.connections.delete(this);
    this.#endPatience();
  }

  /** Breaks the end of one side, and the call, if it is that one's. */
  breakSide(side: Side, why: string, cause?: unknown): void {
    this.#ends[side].breakUp(why, cause);
    if (side === 0) this.#fail(why, cause);
    this.finish(side);
  }

  /** Breaks both ends at once. */
  lose(why: string, cause?: unknown): void {
    if (this.isOver) return;
    this.#fabric.counts.lost++;
    this.breakSide(0, why, cause);
    this.breakSide(1, why, cause);
    for (const lane of this.#lanes) lane.purge();
  }

  /** One side's host is gone; the other one hears of it in time. */
  crash(side: Side, host: string): void {
    if (this.#finished[side]) return;
    this.#lanes[side].reset();
    this.breakSide(side, `host '${host}' has crashed`);
  }

  /** One side has waited long enough for the network to let it through. */
  giveUp(side: Side): void {
    const { conditions, schedule, counts } = this.#fabric;
    const why = `nothing got through for ${conditions.giveUpAfter} ms`;
    const deadline = schedule.time;
    const cause = new TimeoutError(`Nothing got through for ${conditions.giveUpAfter} ms`, { deadline });
    counts.lost++;
    this.#lanes[side].reset();
    if (side === 0 && this.isOpening) this.#answer((caller) => caller.failAll(() => this.#noAnswer(deadline)));
    this.breakSide(side, why, cause);
  }

  #accepted(): void {
    if (!this.isOpening) return;
    this.#fabric.counts.opened++;
    this.#answer((caller) => caller.wake(this.#ends[0]));
  }

  #refused(): void {
    this.#fabric.counts.refused++;
    this.breakSide(0, "nobody listens there");
    this.finish(1);
  }

  #hangUp(): void {
    this.#endPatience();
    this.#ends[0].abort();
  }

  #fail(why: string, cause: unknown): void {
    const { from, to, port } = this.route;
    this.#answer((caller) =>
      caller.failAll(() => new BrokenError(`Cannot connect '${from}' to '${to}:${port}': ${why}`, { cause })),
    );
  }

  #noAnswer(deadline: number): TimeoutError {
    const { from, to, port } = this.route;
    const { giveUpAfter } = this.#fabric.conditions;
    const message = `Cannot connect '${from}' to '${to}:${port}': no answer within ${giveUpAfter} ms`;
    return new TimeoutError(message, { deadline });
  }

  #answer(give: (caller: WatchedLine<ByteStream, undefined>) => void): void {
    this.#endPatience();
    give(this.#caller);
  }

  #endPatience(): void {
    if (this.#patience !== undefined) this.#patience.happen = undefined;
    this.#patience = undefined;
  }
}
