/**
 * The addresses of a host, and which of them to take: Happy Eyeballs, version 2 (RFC 8305, sections 4 and 5). Node's own
 * `autoSelectFamily` gives an attempt up when it begins the next one, so that a slow host is not reached at all.
 */
import { ADDRCONFIG, lookup, type LookupAddress } from "node:dns";
import { any } from "../combine/any.ts";
import { now, Timer, WaitList } from "../lowlevel.ts";
import { Latch } from "../sync/latch.ts";

/** "Connection Attempt Delay" in the RFC, which recommends so many milliseconds. */
const between = 250;

/** The addresses of `host` in the system's order, the two families by turns; `why` makes its error of the system's. */
export async function addressesOf(host: string, family: 0 | 4 | 6, why: (error: unknown) => Error): Promise<string[]> {
  const line = new WaitList<readonly LookupAddress[]>({ describe: () => `the addresses of '${host}'` });
  // As Node asks: not for addresses of a family that this machine has none of.
  const hints = family === 0 && process.platform !== "win32" ? ADDRCONFIG : 0;
  lookup(host, { all: true, family, hints }, (error, found) => {
    if (error) line.fail(why(error));
    else line.wake(found);
  });
  return byTurns(await line.wait());
}

/** The first of a family stands first, then comes the first of the other, and so on. */
export function byTurns(found: readonly LookupAddress[]): string[] {
  const like = found.filter(({ family }) => family === found[0]!.family);
  const unlike = found.filter(({ family }) => family !== found[0]!.family);
  const longer = Math.max(like.length, unlike.length);
  return Array.from({ length: longer }, (_, at) => [like[at], unlike[at]])
    .flat()
    .flatMap((each) => each?.address ?? []);
}

/**
 * Begins one attempt after the other, each when the one before has failed or has lasted 250 ms; those under way go on. The first
 * that succeeds wins, the others are cancelled.
 *
 * @throws {AggregateError} If all have failed.
 */
export function firstOf<T>(attempts: readonly (() => Promise<T>)[], onLoser: (value: T) => void): Promise<T> {
  const gates = attempts.map((_, at) => new Latch({ open: at === 0 }));
  const jobs = attempts.map((attempt, at) => async () => {
    await gates[at]!.wait();
    const timer = new Timer(() => gates[at + 1]?.open());
    timer.set(now() + between);
    try {
      return await attempt();
    } finally {
      timer.set(Infinity);
      gates[at + 1]?.open();
    }
  });
  return any(jobs, { onLoser });
}
