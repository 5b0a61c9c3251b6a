import type { Duplex } from "node:stream";
import type { ByteStream, ByteStreamStatistics } from "../byte-stream.ts";
import { NodeEnd, type NodeEndOptions, type Tear } from "./end.ts";
import { NodeInlet } from "./inlet.ts";
import { NodeOutlet } from "./outlet.ts";
import { checkNodeStream, type NodeStreamOptions } from "./source.ts";

/**
 * A duplex stream of Node, a socket say, as a byte stream. It is the byte stream's from then on: read ahead by at most 64 KiB, and
 * written so that nothing piles up in Node. `close()` ends it, lets what comes meanwhile fall, and destroys it when everything is
 * on its way; `abort()` destroys it, a TCP socket by a reset. Its errors come as the cause of `BrokenError`, also one that came
 * while nobody was there; what no other call has told, `close()` tells, but for a socket.
 *
 * The array of a write that was cut is still the stream's if it is `owned`, as far as `bytesWritten` says that it was taken over.
 *
 * @throws {TypeError} If it is not a duplex stream.
 * @example
 * ```ts
 * import { fromNodeDuplex } from "tasktree/streams/node";
 * import { PassThrough } from "node:stream";
 * import assert from "node:assert";
 * await using echo = fromNodeDuplex(new PassThrough());
 * await echo.write(Buffer.from("hello"));
 * assert.equal(Buffer.from((await echo.read())!).toString(), "hello");
 * ```
 */
export function fromNodeDuplex(duplex: Duplex, options: NodeStreamOptions = {}): ByteStream {
  checkNodeStream("duplex", duplex, "on", "resume", "pause", "write", "end");
  const { name = "a Node stream", owned } = options;
  return new NodeDuplex(duplex, name, { owned, tear: tearOf(duplex), tells: !("resetAndDestroy" in duplex) });
}

/** Any socket of TCP has a remote port; one under TLS looks like one, but cannot be reset. */
function tearOf(
  duplex: Duplex & { resetAndDestroy?(): void; remotePort?: number; encrypted?: true },
): Tear | undefined {
  if (duplex.resetAndDestroy === undefined || duplex.remotePort === undefined || duplex.encrypted) return undefined;
  return () => duplex.resetAndDestroy!();
}

export interface NodeDuplexOptions extends NodeEndOptions {
  /** Whether it is a socket. */
  readonly isSocket?: boolean;
  /** As for any stream of Node; true for a socket. */
  readonly owned?: boolean | undefined;
}

/** A duplex stream of Node as a byte stream. */
export class NodeDuplex implements ByteStream {
  readonly #duplex: Duplex;
  readonly #end: NodeEnd;
  readonly #inlet: NodeInlet;
  readonly #outlet: NodeOutlet;
  #lingers: boolean;

  constructor(duplex: Duplex, name: string, options: NodeDuplexOptions = {}) {
    const { isSocket = false, owned = isSocket } = options;
    duplex.allowHalfOpen = true;
    this.#duplex = duplex;
    this.#lingers = options.linger !== undefined;
    this.#end = new NodeEnd(duplex, name, options);
    this.#inlet = new NodeInlet(duplex, this.#end, owned);
    if (isSocket) this.#inlet.takeAsPushed();
    this.#outlet = new NodeOutlet(duplex, this.#end, owned);
    this.#end.lookBack();
  }

  get isClosed(): boolean {
    return this.#end.isClosed;
  }

  get bytesWritten(): number {
    return this.#outlet.bytesWritten;
  }

  read(max?: number): Promise<Uint8Array | undefined> {
    return this.#inlet.read(max);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#outlet.write(bytes);
  }

  closeWriting(): Promise<void> {
    return this.#outlet.closeWriting();
  }

  close(): Promise<void> {
    return this.#end.close(this.#sayAllAndLeave);
  }

  abort(reason?: unknown): void {
    this.#end.abort(reason);
  }

  /** For what is below another connection, which lingers itself. */
  leaveAtOnce(): void {
    this.#lingers = false;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return this.#inlet.steps();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  statistics(): ByteStreamStatistics {
    return { ...this.#inlet.statistics(), ...this.#outlet.statistics() };
  }

  readonly #sayAllAndLeave = (): void => {
    if (this.#duplex.writableFinished) this.#leave();
    else this.#duplex.once("finish", this.#leave);
    this.#outlet.sayAll();
    this.#inlet.discard();
  };

  /**
   * Everything is said. A socket to which more comes after it is gone is reset by the system, and what was written last would be
   * lost; so one that lingers is there until the other side has said all, too. If nothing was written, a reset is what tells the
   * other side that nobody reads.
   */
  readonly #leave = (): void => {
    const lingers = this.#lingers && this.#outlet.bytesWritten > 0;
    if (this.#inlet.over || !lingers) {
      this.#end.destroy();
      return;
    }
    this.#duplex.once("end", () => this.#end.destroy());
    if (!this.#inlet.hasDropped) this.#end.lingerUnseen();
  };
}
