import type { Writable } from "node:stream";
import { brief, BrokenError, ClosedError } from "../../errors.ts";
import { here, passed, refused, WaitList } from "../../lowlevel.ts";
import type { ByteSinkStatistics } from "../byte-stream.ts";
import type { NodeEnd, NodeHalf } from "./end.ts";

/** What Node is given at once, at most: so far is a writer ahead of the system's own buffers. */
const most = 65_536;

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
  readonly #writer: WaitList<void, Outgoing>;
  #bytesWritten = 0;
  #saidAll = false;
  /** Node still has some of the last piece. */
  #underWay = false;

  constructor(writable: Writable, end: NodeEnd) {
    this.#writable = writable;
    this.#end = end;
    this.#writer = new WaitList({ describe: () => `room in ${end.name}` });
    end.add(this);
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
    const what = "close the writing of";
    const refusal = refused();
    if (refusal !== undefined) return refusal;
    if (this.#end.isClosed || !this.#saidAll) {
      const error = this.#end.whyGone(what);
      if (error !== undefined) return Promise.reject(error);
    }
    if (this.#writer.size > 0) return Promise.reject(this.#end.whyBusy(what, "write"));
    this.sayAll();
    return passed();
  }

  sayAll(): void {
    if (!this.#saidAll) this.#writable.end();
    this.#saidAll = true;
  }

  statistics(): ByteSinkStatistics {
    return { bytesWritten: this.#bytesWritten, writing: this.#writer.size > 0 };
  }

  fail(): void {
    if (this.#writer.size > 0) this.#writer.failAll(this.#whyNotWrite());
  }

  /** Gives Node piece after piece until one is not gone at once; what is left. */
  #give(bytes: Uint8Array): Uint8Array {
    let rest = bytes;
    do {
      const piece = rest.length <= most ? rest : rest.subarray(0, most);
      rest = rest.subarray(piece.length);
      this.#bytesWritten += piece.length;
      this.#underWay = true;
      this.#writable.write(piece, this.#gone);
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
