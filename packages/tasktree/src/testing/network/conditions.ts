/** What a simulated network is like: its options, checked, and its chance. */
import { brief, isObject } from "../../errors.ts";
import { isCount } from "../../internal/count.ts";

/** How long something takes from one host to another, in milliseconds. */
export type Latency =
  | number
  | readonly [least: number, most: number]
  | ((from: string, to: string, random: () => number) => number);

export interface SimulatedNetworkOptions {
  /**
   * How long what is sent takes to the other host, in milliseconds: always the same (default 1), something between two bounds,
   * or what a function says. In one connection nothing overtakes anything. A host reaches itself at once.
   */
  readonly latency?: Latency;
  /** Bytes a second from one host to another, each way, shared by all connections between them; default Infinity. */
  readonly bandwidth?: number;
  /** How many bytes of a connection may be on their way or unread, each way; default 65,536. */
  readonly capacity?: number;
  /** Bytes travel in pieces of at most so many; default 1,460, as on Ethernet. */
  readonly segment?: number;
  /** The chance, from 0 (default) to 1, that a connection is lost when a piece of it, or the call to open it, arrives. */
  readonly lossRate?: number;
  /**
   * After so many milliseconds without getting through a side gives up: opening a connection rejects with `TimeoutError`, and an
   * open one breaks at the side whose bytes are held up. Default Infinity: what is held up waits until the network is healed.
   */
  readonly giveUpAfter?: number;
  /** What chance begins with; default 1. The same seed gives the same network. */
  readonly seed?: number;
  /** Chance itself, in place of a seed: numbers from 0 up to, and without, 1. */
  readonly random?: () => number;
}

export class Conditions {
  readonly bandwidth: number;
  readonly capacity: number;
  readonly segment: number;
  readonly giveUpAfter: number;
  readonly #lossRate: number;
  readonly #random: () => number;
  readonly #latency: (from: string, to: string, random: () => number) => number;

  constructor(options: SimulatedNetworkOptions) {
    if (!isObject(options)) throw wrong("options", options, "an object");
    const { latency = 1, bandwidth = Infinity, capacity = 65_536, segment = 1460, lossRate = 0 } = options;
    const { giveUpAfter = Infinity, seed = 1, random } = options;
    if (!(typeof bandwidth === "number" && bandwidth > 0))
      throw wrong("bandwidth", bandwidth, "bytes a second, more than 0");
    if (!isCount(capacity, 1)) throw wrong("capacity", capacity, "a whole number from 1, or Infinity");
    if (!isCount(segment, 1)) throw wrong("segment", segment, "a whole number from 1, or Infinity");
    if (!(typeof lossRate === "number" && lossRate >= 0 && lossRate <= 1))
      throw wrong("lossRate", lossRate, "a number from 0 to 1");
    if (!(typeof giveUpAfter === "number" && giveUpAfter > 0))
      throw wrong("giveUpAfter", giveUpAfter, "milliseconds more than 0, or Infinity");
    if (!Number.isSafeInteger(seed)) throw wrong("seed", seed, "a whole number");
    if (random !== undefined && typeof random !== "function") throw wrong("random", random, "a function");
    this.bandwidth = bandwidth;
    this.capacity = capacity;
    this.segment = segment;
    this.giveUpAfter = giveUpAfter;
    this.#lossRate = lossRate;
    this.#random = random ?? randomFrom(seed);
    this.#latency = latencyOf(latency);
  }

  /** How long the next thing takes that goes from one host to another. */
  latency(from: string, to: string): number {
    if (from === to) return 0;
    const ms = this.#latency(from, to, this.#random);
    if (isLatency(ms)) return ms;
    throw wrong("latency", ms, "milliseconds from 0");
  }

  /** Whether what arrives now finds its connection lost. */
  loses(): boolean {
    return this.#lossRate > 0 && this.#random() < this.#lossRate;
  }
}

function latencyOf(latency: Latency): (from: string, to: string, random: () => number) => number {
  if (typeof latency === "function") return latency;
  if (isLatency(latency)) return () => latency;
  if (!Array.isArray(latency) || latency.length !== 2 || !latency.every(isLatency) || latency[0] > latency[1])
    throw wrong("latency", latency, "milliseconds from 0, a least and a most of them, or a function");
  const [least, most] = latency as [number, number];
  return (_from, _to, random) => least + (most - least) * random();
}

function isLatency(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value < Infinity;
}

function wrong(what: string, value: unknown, wanted: string): Error {
  const message = `Cannot use ${brief(value)} as ${what} of a network: wanted ${wanted}`;
  return typeof value === "number" ? new RangeError(message) : new TypeError(message);
}

/** Numbers from 0 up to 1 that look random: a counter, scattered by C. Wellons' lowbias32 (nullprogram.com/blog/2018/07/31). */
function randomFrom(seed: number): () => number {
  let count = Math.trunc(seed / 2 ** 32) ^ seed;
  return () => {
    count = (count + 0x9e3779b9) | 0;
    let bits = Math.imul(count ^ (count >>> 16), 0x7feb352d);
    bits = Math.imul(bits ^ (bits >>> 15), 0x846ca68b);
    return ((bits ^ (bits >>> 16)) >>> 0) / 2 ** 32;
  };
}
