/**
 * The platform's WebSocket as a wire. It cannot be told to bring no more, nor be torn, and tells of what is unsent only who asks.
 */
import { BrokenError } from "../../errors.ts";
import { now, refused, Timer, WaitList } from "../../lowlevel.ts";
import type { Wire, WireEvents } from "./wire.ts";

/** How often it is asked what is unsent, in milliseconds: at first, and at last. */
const soonest = 1;
const latest = 50;

const lost = 1006;

export class PlatformWire implements Wire {
  readonly overflowCode = 4009; // no page may send 1009
  readonly #socket: WebSocket;
  readonly #opening: WaitList;
  readonly #asker: Timer = new Timer(() => this.#ask());
  #pause = soonest;
  #lastUnsent = 0;
  #events: WireEvents | undefined = undefined;
  #error: unknown = undefined;
  readonly #name: string;

  constructor(socket: WebSocket, name: string) {
    this.#socket = socket;
    this.#name = name;
    this.#opening = new WaitList({ describe: () => `to connect to '${name}'`, left: () => socket.close() });
    socket.binaryType = "arraybuffer";
    socket.addEventListener("open", () => this.#opening.wake());
    socket.addEventListener("message", ({ data }) =>
      this.#events?.came(typeof data === "string" ? data : new Uint8Array(data as ArrayBuffer)),
    );
    socket.addEventListener("error", (event) => (this.#error ??= (event as ErrorEvent).error ?? event));
    socket.addEventListener("close", ({ code, reason }) => this.#closed(code, reason));
  }

  get protocol(): string {
    return this.#socket.protocol;
  }

  get isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN;
  }

  get unsent(): number {
    return this.#socket.bufferedAmount;
  }

  get progress(): number {
    return -this.#socket.bufferedAmount;
  }

  /** Cancellation: Checkpoint, nothing lost: if this call is cancelled, the connection is given up. */
  opened(): Promise<void> {
    return refused() ?? this.#opening.wait();
  }

  listen(events: WireEvents): void {
    this.#events = events;
  }

  send(message: string | Uint8Array): void {
    if (this.isOpen) this.#socket.send(message as string | Uint8Array<ArrayBuffer>);
  }

  watchUnsent(): void {
    if (this.#asker.deadline === Infinity) this.#asker.set(now() + this.#pause);
  }

  pause(): void {}

  resume(): void {}

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
  }

  tear(): void {
    this.#socket.close();
    this.#closed(lost, "");
  }

  #ask(): void {
    const unsent = this.#socket.bufferedAmount;
    this.#pause = unsent < this.#lastUnsent ? soonest : Math.min(this.#pause * 2, latest);
    this.#lastUnsent = unsent;
    this.#events?.taken();
    if (this.#asker.deadline === Infinity) this.#pause = soonest; // nobody waits any more
  }

  /** Deno gives 0 for a connection that was lost. */
  #closed(code: number, reason: string): void {
    this.#asker.set(Infinity);
    if (this.#opening.size > 0) {
      const { message: said = "" } = this.#error instanceof Error ? this.#error : {};
      const why = said === "" ? "it refuses, or nobody is there" : said.replaceAll(this.#socket.url, this.#name);
      const cause = said.includes(this.#socket.url) ? undefined : this.#error; // a query may hold secrets
      this.#opening.fail(new BrokenError(`Cannot connect to '${this.#name}': ${why}`, { cause }));
    }
    this.#events?.ended({ code: code === 0 ? lost : code, reason, error: this.#error });
    this.#events = undefined;
  }
}
