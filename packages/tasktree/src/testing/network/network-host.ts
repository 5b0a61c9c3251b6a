import { brief, checkOptions, InvalidStateError } from "../../errors.ts";
import { isCount } from "../../internal/count.ts";
import { quiet, refused } from "../../lowlevel.ts";
import type { ByteStream } from "../../streams/byte-stream.ts";
import { Connection } from "./connection.ts";
import type { Fabric } from "./fabric.ts";
import { NetworkListener, type ListenOptions } from "./network-listener.ts";

/** The first port that is given out where none was asked for. */
const firstFreePort = 49_152;
const lastPort = 65_535;

/** A host of a {@link SimulatedNetwork}. */
export class NetworkHost {
  readonly name: string;
  readonly #fabric: Fabric;
  readonly #hostOf: (name: string) => NetworkHost;
  readonly #listeners = new Map<number, NetworkListener>();

  /** @internal */
  constructor(name: string, fabric: Fabric, hostOf: (name: string) => NetworkHost) {
    this.name = name;
    this.#fabric = fabric;
    this.#hostOf = hostOf;
  }

  /** How many listeners it has. @internal */
  get listening(): number {
    return this.#listeners.size;
  }

  /**
   * Takes in connections to `port`. Not a checkpoint.
   *
   * @param port From 1 to 65,535, or 0 for one that is free.
   * @throws {InvalidStateError} If somebody listens there already, or no port is free.
   * @throws {RangeError} If `port` or `backlog` is not what it should be.
   */
  listen(port: number, options: ListenOptions = {}): NetworkListener {
    checkPort("listen on", this.name, port, 0);
    checkOptions(`listen on '${this.name}:${port}'`, options);
    const { backlog = 511 } = options;
    if (!isCount(backlog, 1)) {
      throw new RangeError(
        `Cannot use ${brief(backlog)} as backlog of '${this.name}:${port}': wanted a whole number from 1, or Infinity`,
      );
    }
    this.#fabric.schedule.catchUp();
    const free = port === 0 ? this.#freePort() : port;
    if (this.#listeners.has(free))
      throw new InvalidStateError(`Cannot listen on '${this.name}:${port}': somebody does already`);
    const { schedule } = this.#fabric;
    const leave = (): void => void this.#listeners.delete(free);
    const listener = new NetworkListener({ schedule, host: this.name, port: free, leave }, backlog);
    this.#listeners.set(free, listener);
    return listener;
  }

  /**
   * Connects to a port of a host: the call takes its time there, and the answer back.
   *
   * Cancellation: Checkpoint, effects possible: if this call is cancelled, there is no connection here; the other host may have
   * accepted one, which is then reset.
   *
   * @throws {BrokenError} If nobody listens there, there is no more room in the backlog, or the connection was lost.
   * @throws {TimeoutError} If there was no answer within `giveUpAfter`.
   * @throws {RangeError} If `port` is not a number from 1 to 65,535.
   */
  connect(host: string, port: number): Promise<ByteStream> {
    try {
      checkPort("connect to", host, port, 1);
    } catch (error) {
      return Promise.reject(error);
    }
    const refusal = refused();
    if (refusal !== undefined) return refusal;
    this.#fabric.schedule.catchUp();
    const connection = new Connection(this.#fabric, { from: this.name, to: host, port });
    return quiet(() => connection.open((stream) => this.#hostOf(host).#offer(port, stream)));
  }

  /**
   * Everything on it is gone at once: its listeners and its ends of connections are broken, and the other ends are reset when
   * that news arrives. The tasks that play its programs are the caller's to cancel: before, so that they do not see the crash,
   * as no program does. The host may listen and connect again at any time. Not a checkpoint.
   */
  crash(): void {
    this.#fabric.schedule.catchUp();
    for (const listener of [...this.#listeners.values()]) listener.crash();
    for (const connection of [...this.#fabric.connections]) {
      if (connection.route.from === this.name) connection.crash(0, this.name);
      if (connection.route.to === this.name) connection.crash(1, this.name);
    }
  }

  #offer(port: number, stream: ByteStream): boolean {
    return this.#listeners.get(port)?.offer(stream) ?? false;
  }

  #freePort(): number {
    for (let port = firstFreePort; port <= lastPort; port++) if (!this.#listeners.has(port)) return port;
    throw new InvalidStateError(`Cannot listen on '${this.name}:0': no port is free`);
  }
}

function checkPort(what: string, host: unknown, port: unknown, least: number): void {
  if (typeof host !== "string") throw new TypeError(`Cannot ${what} ${brief(host)}: wanted the name of a host`);
  if (isCount(port, least) && port <= lastPort) return;
  throw new RangeError(
    `Cannot ${what} '${host}:${brief(port)}': wanted a port, a whole number from ${least} to ${lastPort}`,
  );
}
