import { Deque } from "../../internal/deque.ts";
import type { Wire } from "../../streams/wired-stream.ts";
import type { Connection, Side } from "./connection.ts";
import type { Fabric } from "./fabric.ts";
import type { Link } from "./link.ts";
import type { NetworkEvent } from "./schedule.ts";

interface Packet {
  /** How many bytes it carries. */
  readonly size: number;
  /** Whether its sender gives up if it does not get through: not so for news of room, and for the last word. */
  readonly matters: boolean;
  readonly arrive: () => void;
  due: number;
}

/** One direction of a connection: what an end has sent, on its way to the other, in order. */
export class Lane implements Wire {
  readonly #fabric: Fabric;
  readonly #link: Link;
  readonly #connection: Connection;
  /** Which end sends here. */
  readonly #side: Side;
  readonly #packets = new Deque<Packet>();
  #mattering = 0;
  #lastDue = -Infinity;
  /** The arrival of the first packet; none while the lane is stalled. */
  #next: NetworkEvent | undefined = undefined;
  #givingUp: NetworkEvent | undefined = undefined;

  constructor(fabric: Fabric, link: Link, connection: Connection, side: Side) {
    this.#fabric = fabric;
    this.#link = link;
    this.#connection = connection;
    this.#side = side;
  }

  // --- what the end says

  data(bytes: Uint8Array): void {
    const { segment } = this.#fabric.conditions;
    for (let at = 0; at < bytes.length; at += segment) {
      const piece = new Uint8Array(bytes.subarray(at, at + segment));
      this.send(() => this.#connection.other(this.#side).receive(piece), piece.length);
    }
  }

  end(): void {
    this.send(() => this.#connection.other(this.#side).receiveEnd());
  }

  room(count: number): void {
    this.send(() => this.#connection.other(this.#side).getRoom(count), 0, false);
  }

  close(): void {
    this.send(() => this.#connection.other(this.#side).receiveClose());
    this.#connection.finish(this.#side);
  }

  /** What the network holds up is lost with the end that would have sent it again. */
  reset(): void {
    if (this.#link.stalled.has(this)) this.purge();
    const toldSide = this.#side === 0 ? 1 : 0;
    this.send(() => this.#connection.breakSide(toldSide, "the other end has reset the connection"), 0, false);
    this.#connection.finish(this.#side);
  }

  catchUp(): void {
    this.#fabric.schedule.catchUp();
  }

  waits(change: 1 | -1): void {
    this.#fabric.schedule.waits(change);
  }

  // --- the journey

  send(arrive: () => void, size = 0, matters = true): void {
    if (this.#connection.isOver) return;
    const arrival = this.#orLose(() => this.#link.arrival(this.#fabric.schedule.time, size));
    if (arrival === undefined) return;
    this.#lastDue = Math.max(this.#lastDue, arrival);
    this.#packets.push({ size, matters, arrive, due: this.#lastDue });
    if (matters) this.#mattering++;
    this.#fabric.counts.underWay += size;
    if (this.#link.stalled.has(this)) this.#watch();
    else if (this.#next === undefined) this.#expect();
  }

  /** The link is healed: what was held up sets out anew. */
  resume(): void {
    this.#stopWatching();
    const { schedule, conditions } = this.#fabric;
    const latency = this.#orLose(() => conditions.latency(this.#link.from, this.#link.to));
    if (latency === undefined) return;
    const earliest = schedule.time + latency;
    for (const packet of this.#packets) packet.due = Math.max(packet.due, earliest);
    this.#lastDue = Math.max(this.#lastDue, earliest);
    this.#expect();
  }

  /** What is on its way never arrives. */
  purge(): void {
    for (const { size } of this.#packets) this.#fabric.counts.underWay -= size;
    this.#packets.clear();
    this.#mattering = 0;
    if (this.#next !== undefined) this.#next.happen = undefined;
    this.#next = undefined;
    this.#link.stalled.delete(this);
    this.#stopWatching();
  }

  #expect(): void {
    const first = this.#packets.first;
    this.#next = first && this.#fabric.schedule.at(first.due, () => this.#arrive());
  }

  #arrive(): void {
    this.#next = undefined;
    if (this.#link.blocked) {
      this.#link.stalled.add(this);
      this.#watch();
      return;
    }
    const packet = this.#packets.shift()!;
    this.#fabric.counts.underWay -= packet.size;
    if (packet.matters) this.#mattering--;
    this.#expect();
    const lost = packet.matters && this.#orLose(() => this.#fabric.conditions.loses());
    if (lost === true) this.#connection.lose("the connection was lost");
    if (lost !== false) return;
    this.#fabric.counts.arrived += packet.size;
    packet.arrive();
  }

  /** What `latency` or `random` throws breaks the connection: we may be here on behalf of the clock, which nobody would tell. */
  #orLose<T>(ask: () => T): T | undefined {
    try {
      return ask();
    } catch (error) {
      this.#connection.lose("its network has failed", error);
      return undefined;
    }
  }

  /** From now on patience counts, if there is something that must get through. */
  #watch(): void {
    const { conditions, schedule } = this.#fabric;
    if (this.#mattering === 0 || this.#givingUp !== undefined || conditions.giveUpAfter === Infinity) return;
    this.#givingUp = schedule.at(schedule.time + conditions.giveUpAfter, () => this.#connection.giveUp(this.#side));
  }

  #stopWatching(): void {
    if (this.#givingUp !== undefined) this.#givingUp.happen = undefined;
    this.#givingUp = undefined;
  }
}
