import { brief } from "../../errors.ts";
import { Conditions, type SimulatedNetworkOptions } from "./conditions.ts";
import { Fabric } from "./fabric.ts";
import type { Link } from "./link.ts";
import { NetworkHost } from "./network-host.ts";

export interface NetworkStatistics {
  /** Connections with an end that is neither closed nor broken. */
  readonly connections: number;
  readonly listeners: number;
  /** How many wait: to connect, to accept, to read, to write. */
  readonly waiting: number;
  /** Bytes that were sent and have not arrived. */
  readonly bytesUnderWay: number;
  /** Bytes that have arrived, so far. */
  readonly bytesArrived: number;
  /** Connections that were opened, so far. */
  readonly opened: number;
  /** Connections that nobody took, so far. */
  readonly refused: number;
  /** Connections that were cut, lost by chance, or given up, so far. */
  readonly lost: number;
}

/**
 * A network in memory, on the clock of the run: hosts by name, connections like TCP's between them (in order, and nothing is lost
 * inside of a living one), and the troubles of real ones: latency, narrow lines, partitions, crashes, lost connections. On a
 * {@link VirtualClock} an hour of it takes milliseconds, and the same seed gives the same hour.
 *
 * Bytes are sent as soon as they are written, and there is room for more when news of their having been read has come back: so
 * a window of `capacity` and the latency bound what a connection carries, as in TCP.
 *
 * Use it, and what comes from it, inside of the run whose clock it goes by.
 *
 * @example A client that does not wait for ever
 * ```ts
 * import { failAfter, now, run, TimeoutError, withTaskGroup } from "tasktree";
 * import { SimulatedNetwork, VirtualClock } from "tasktree/testing";
 * import assert from "node:assert";
 * async function main(): Promise<void> {
 *   const network = new SimulatedNetwork({ latency: 20 });
 *   await using _listener = network.host("server").listen(80);
 *   await using _stream = await network.host("client").connect("server", 80);
 *   assert.equal(now(), 40);
 *   network.partition(["client"], ["server"]);
 *   await assert.rejects(failAfter(5000, () => network.host("client").connect("server", 80)), TimeoutError);
 * }
 * await run(main, { clock: new VirtualClock(), host: false });
 * ```
 */
export class SimulatedNetwork {
  readonly #fabric: Fabric;
  readonly #hosts = new Map<string, NetworkHost>();

  /**
   * @throws {RangeError} If a number among the options is not what it should be.
   * @throws {TypeError} If another option is not.
   */
  constructor(options: SimulatedNetworkOptions = {}) {
    this.#fabric = new Fabric(new Conditions(options));
  }

  /** The host of that name, made when it is first asked for. Not a checkpoint. */
  host(name: string): NetworkHost {
    let host = this.#hosts.get(name);
    if (host === undefined) {
      if (typeof name !== "string") throw new TypeError(`Cannot use ${brief(name)} as name of a host: wanted a string`);
      host = new NetworkHost(name, this.#fabric, (other) => this.host(other));
      this.#hosts.set(name, host);
    }
    return host;
  }

  /**
   * Lets nothing through between hosts of different groups; hosts in none of them are not concerned. What is sent meanwhile, or
   * was on its way, is held up: calls to connect too. Who waits is not told (but see `giveUpAfter`). Not a checkpoint.
   *
   * @throws {RangeError} If there are less than two groups, or a host is in two of them.
   */
  partition(...groups: readonly (readonly string[])[]): void {
    this.#fabric.schedule.catchUp();
    for (const link of this.#between(groups)) link.blocked = true;
  }

  /**
   * Ends the partition between these groups, or all partitions. What was held up sets out anew, in order. Not a checkpoint.
   *
   * @throws {RangeError} If there is only one group, or a host is in two of them.
   */
  heal(...groups: readonly (readonly string[])[]): void {
    this.#fabric.schedule.catchUp();
    for (const link of [...(groups.length === 0 ? this.#fabric.links() : this.#between(groups))]) link.heal();
  }

  /**
   * Loses all connections between two hosts: both ends are broken at once, and what was on its way never arrives. Not a
   * checkpoint.
   */
  cut(one: string, other: string): void {
    this.#fabric.schedule.catchUp();
    for (const connection of [...this.#fabric.connections]) {
      const { from, to } = connection.route;
      if ((from === one && to === other) || (from === other && to === one)) connection.lose("the connection was cut");
    }
  }

  statistics(): NetworkStatistics {
    const { schedule, connections, counts } = this.#fabric;
    schedule.catchUp();
    let listeners = 0;
    for (const host of this.#hosts.values()) listeners += host.listening;
    return {
      connections: connections.size,
      listeners,
      waiting: schedule.waiting,
      bytesUnderWay: counts.underWay,
      bytesArrived: counts.arrived,
      opened: counts.opened,
      refused: counts.refused,
      lost: counts.lost,
    };
  }

  *#between(groups: readonly (readonly string[])[]): Iterable<Link> {
    checkGroups(groups);
    for (const from of groups) {
      for (const to of groups) {
        if (from === to) continue;
        for (const one of from) for (const other of to) yield this.#fabric.link(one, other);
      }
    }
  }
}

function checkGroups(groups: readonly (readonly string[])[]): void {
  if (groups.length < 2 || !groups.every((group) => Array.isArray(group)))
    throw new RangeError(`Cannot part a network into ${groups.length} groups: wanted two or more arrays of names`);
  const names = groups.flat();
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new RangeError(`Cannot part a network: host '${twice}' is in two groups`);
}
