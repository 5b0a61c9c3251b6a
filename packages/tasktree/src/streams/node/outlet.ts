import type { Writable } from "node:stream";
import { brief, BrokenError, ClosedError } from "../../errors.ts";
import { here, passed, refused, WaitList } from "../../lowlevel.ts";
import type { ByteSinkStatistics } from "../byte-stream.ts";
import type { NodeEnd, NodeHalf } from "./end.ts";

/** What Node is given at once, at most: so far is a writer ahead of the system's own buffers. */
const most = 65_536;

/** The high-water mark with which a stream counts as full while it has anything. */
export const lowestMark = 1;

const toClose = "close the writing of";

/** What waits to be written. */
interface Outgoing {
  rest: Uint8Array;
}

/**
 * The direction of a Node stream in which it is written.
 *
 * Node keeps the array it is given until the system has taken it, so the next piece is given to it when the one before is gone:
 * nothing is ever in a second buffer.
 */
export class NodeOutlet implements NodeHalf {
  readonly #writable: Writable;
  readonly #end: NodeEnd;
  readonly #owned: boolean;
  readonly #writer: WaitList<void, Outgoing>;
  readonly #finishers: WaitList;
  #bytesWritten = 0;
  #saidAll = false;
  /** For Node to tell when it has let a piece go; undefined if 'drain' does. */
  readonly #told: (() => void) | undefined;
  /** Node still has some of the last piece. */
  #underWay = false;

  /** What is not `owned` may keep what it is given: it gets copies. */
  constructor(writable: Writable, end: NodeEnd, owned: boolean) {
    this.#owned = owned;
    this.#writable = writable;
    this.#end = end;
    this.#writer = new WaitList({ describe: () => `room in ${end.name}` });
    this.#finishers = new WaitList({ describe: () => `the end of ${end.name}` });
    end.add(this);
    // With such a mark 'drain', or the end, tells of all that was not gone at once; what was needs no callback then, which costs a tick.
    const drains = writable.writableHighWaterMark === lowestMark;
    if (drains) writable.on("drain", this.#gone).on("finish", this.#gone);
    this.#told = drains ? undefined : this.#gone;
  }

  get over(): boolean {
    return this.#writable.writableFinished;
  }

  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  write(bytes: Uint8Array): Promise<void> {
    if (!(bytes instanceof Uint8Array)) return Promise.reject(this.#wrongBytes(bytes));
    const node = here();
    const refusal = refused(node);
    if (refusal !== undefined) return refusal;
    const error = this.#whyNotWrite();
    if (error !== undefined) return Promise.reject(error);
    if (this.#writer.size > 0) return Promise.reject(this.#end.whyBusy("write to", "write"));
    if (bytes.length === 0) return passed(undefined, node);
    if (this.#underWay) return this.#writer.wait({ rest: bytes });
    const rest = this.#give(bytes);
    return this.#underWay ? this.#writer.wait({ rest }) : passed(undefined, node);
  }

  closeWriting(): Promise<void> {
    const refusal = refused();
    if (refusal !== undefined) return refusal;
    const error = this.#whyNotClose(!this.#saidAll);
    if (error !== undefined) return Promise.reject(error);
    this.sayAll();
    return passed();
  }

  /** As `closeWriting()`, and waits until the stream has taken everything. */
  finish(): Promise<void> {
    const refusal = refused();
    if (refusal !== undefined) return refusal;
    const error = this.#whyNotClose(!this.over);
    if (error !== undefined) return Promise.reject(error);
    this.sayAll();
    return this.over ? passed() : this.#finishers.wait();
  }

  sayAll(): void {
    if (this.#saidAll) return;
    this.#saidAll = true;
    this.#writable.once("finish", () => this.#finishers.wakeAll());
    this.#writable.end();
  }

  statistics(): ByteSinkStatistics {
    return { bytesWritten: this.#bytesWritten, writing: this.#writer.size > 0 };
  }

  fail(): void {
    if (this.#writer.size > 0) this.#writer.failAll(this.#whyNotWrite());
    if (this.#finishers.size > 0) this.#finishers.failAll(this.#end.whyGone(toClose));
  }

  /** Gives Node piece after piece until one is not gone at once; what is left. */
  #give(bytes: Uint8Array): Uint8Array {
    let rest = bytes;
    do {
      const piece = rest.length <= most ? rest : rest.subarray(0, most);
      rest = rest.subarray(piece.length);
      this.#bytesWritten += piece.length;
      this.#underWay = true;
      this.#writable.write(this.#owned ? piece : new Uint8Array(piece), this.#told);
      // Where an error is known already, the event that tells it is still to come.
      this.#underWay = this.#writable.writableLength > 0 || this.#writable.errored !== null;
    } while (rest.length > 0 && !this.#underWay);
    return rest;
  }

  readonly #gone = (error?: Error | null): void => {
    if (error) this.#end.lose(error.message, error);
    if (error || !this.#underWay || this.#writable.writableLength > 0) return;
    this.#underWay = false;
    const outgoing = this.#writer.first;
    if (outgoing === undefined) return;
    if (outgoing.rest.length > 0) outgoing.rest = this.#give(outgoing.rest);
    if (!this.#underWay) this.#writer.wake();
  };

  /** What has happened to the stream matters to who has still something to say. */
  #whyNotClose(hasMore: boolean): Error | undefined {
    const gone = this.#end.isClosed || hasMore ? this.#end.whyGone(toClose) : undefined;
    return gone ?? (this.#writer.size > 0 ? this.#end.whyBusy(toClose, "write") : undefined);
  }

  #whyNotWrite(): Error | undefined {
    if (!this.#end.isGone && !this.#saidAll && this.#writable.writable) return undefined;
    if (this.#end.isClosed) return this.#end.whyGone("write to");
    if (this.#saidAll) return new ClosedError(`Cannot write to ${this.#end.name}: its writing side is closed`);
    return (
      this.#end.whyBroken("write to") ??
      new BrokenError(`Cannot write to ${this.#end.name}: it was ended`, { cause: this.#writable.errored ?? undefined })
    );
  }

  #wrongBytes(bytes: unknown): TypeError {
    return new TypeError(`Cannot write ${brief(bytes)} to ${this.#end.name}: wanted a Uint8Array`);
  }
}
