/** How this side ends a connection: what was sent goes out first, then the good-bye, then that of the other side is waited for. */
import { brief } from "../../errors.ts";
import { now, Timer } from "../../lowlevel.ts";
import type { Wire } from "./wire.ts";

/** How often it is looked whether what was sent goes out, in milliseconds. */
const look = 50;

export class GoodBye {
  readonly #wire: Wire;
  readonly #closeTimeout: number;
  readonly #timer: Timer = new Timer(() => this.#late());
  /** What is to be said when all has gone out. */
  #last: { readonly code: number; readonly reason: string } | undefined = undefined;
  #seen = 0;
  #deadline = Infinity;

  constructor(wire: Wire, closeTimeout: number) {
    this.#wire = wire;
    this.#closeTimeout = closeTimeout;
  }

  /** Says it behind what was sent. While that goes out, be it slowly, `closeTimeout` does not run. */
  say(code: number, reason: string): void {
    this.#last = { code, reason };
    this.#renew();
    this.#go();
  }

  /** Gives the other side `closeTimeout` to end the connection; then it is torn. */
  expect(): void {
    if (this.#deadline === Infinity) this.#renew();
    this.#timer.set(this.#deadline);
  }

  /** Of what was sent, some is on its way. */
  taken(): void {
    if (this.#last !== undefined) this.#go();
  }

  over(): void {
    this.#last = undefined;
    this.#timer.set(Infinity);
  }

  #go(): void {
    const { progress, unsent } = this.#wire;
    if (unsent === 0) return this.#sayNow();
    if (progress > this.#seen) this.#renew();
    this.#wire.watchUnsent();
    this.#timer.set(Math.min(this.#deadline, now() + look));
  }

  #sayNow(): void {
    const { code, reason } = this.#last!;
    this.#last = undefined;
    this.#renew();
    this.#timer.set(this.#deadline);
    this.#wire.close(code, reason); // may end it at once
  }

  #renew(): void {
    this.#seen = this.#wire.progress;
    this.#deadline = now() + this.#closeTimeout;
  }

  #late(): void {
    const goesOn = this.#last !== undefined && (now() < this.#deadline || this.#wire.progress > this.#seen);
    if (goesOn) this.#go();
    else this.#wire.tear();
  }
}

/** RFC 6455, sections 5.5 and 7.4. */
export function whyNoGoodBye(code: unknown, reason: unknown): Error | undefined {
  const isCode = code === 1000 || (Number.isInteger(code) && (code as number) >= 3000 && (code as number) <= 4999);
  if (!isCode) return new RangeError(`Cannot close with code ${brief(code)}: wanted 1000, or one from 3000 to 4999`);
  if (typeof reason === "string" && Buffer.byteLength(reason) <= 123) return undefined;
  return new RangeError(`Cannot close with reason ${brief(reason)}: wanted a string of at most 123 bytes`);
}
