import { brief } from "../errors.ts";
import type { ByteQueue } from "../internal/byte-queue.ts";

/** In these a byte 10 may be part of a letter, or the text before a line changes what it means. */
const unfit = ["utf-16le", "utf-16be", "iso-2022-jp"];

const mostAtOnce = 65_536;
const firstAtOnce = 256;

/**
 * Makes text of the lines at the front of a queue, of many before they are asked for: a call of `TextDecoder` costs more than four
 * short lines do. It decodes twice as much each time, and begins anew where somebody has read between two lines: so what
 * it decodes in vain is never more than what it was asked for.
 */
export class LineDecoder {
  readonly #decoder: TextDecoder;
  readonly #queue: ByteQueue;
  #text = "";
  /** Where the next line begins in the text … */
  #at = 1;
  /** … and how many bytes had been read before it. */
  #position = -1;
  #atOnce = 0;

  /** @throws {RangeError} If `encoding` is unknown, or one whose lines cannot be found by their bytes. */
  constructor(queue: ByteQueue, encoding: string, fatal: boolean) {
    this.#queue = queue;
    this.#decoder = new TextDecoder(encoding, { ignoreBOM: true, fatal });
    if (unfit.includes(this.#decoder.encoding)) {
      throw new RangeError(
        `Cannot read lines in ${brief(encoding)}: wanted an encoding in which a byte 10 ends a line`,
      );
    }
  }

  /**
   * The line made of the first `length` bytes in the queue; `position` bytes were read before. Behind a `whole` one stands its `\n`;
   * only there is a `\r` part of the line's end.
   */
  decode(length: number, position: number, whole: boolean): string {
    if (position !== this.#position || this.#at > this.#text.length) this.#decodeMore(length, position);
    const found = this.#text.indexOf("\n", this.#at);
    const next = found === -1 ? this.#text.length : found;
    const returns = whole && next > this.#at && this.#text.charCodeAt(next - 1) === carriageReturn;
    const line = this.#text.slice(this.#at, returns ? next - 1 : next);
    this.#at = next + 1;
    this.#position = position + length + 1;
    return line;
  }

  #decodeMore(length: number, position: number): void {
    const goesOn = position === this.#position;
    this.#atOnce = goesOn ? Math.min(Math.max(2 * this.#atOnce, firstAtOnce), mostAtOnce) : 0;
    const many = Math.min(this.#atOnce, this.#queue.size);
    this.#text = this.#decodeUpTo(Math.max(length, this.#queue.view(0, many).lastIndexOf(newline)), length);
    this.#at = position === 0 && this.#text.charCodeAt(0) === byteOrderMark ? 1 : 0;
  }

  #decodeUpTo(end: number, firstLine: number): string {
    try {
      return this.#decoder.decode(this.#queue.view(0, end));
    } catch (error) {
      // a later line may be the bad one
      if (end > firstLine) return this.#decodeUpTo(firstLine, firstLine);
      throw new TypeError(`Cannot read a line of ${end} bytes: they are not valid ${this.#decoder.encoding}`, {
        cause: error,
      });
    }
  }
}

const newline = 10;
export const carriageReturn = 13;
const byteOrderMark = 0xfeff;
