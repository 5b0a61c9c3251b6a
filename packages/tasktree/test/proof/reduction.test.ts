/** What `shares: "tracked"` leaves out shows nothing that is not tried otherwise: see README.md. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { explore, type ExploreOptions } from "../../src/testing/index.ts";
import { channel } from "./subjects/channel.ts";
import { latch } from "./subjects/latch.ts";
import { semaphore } from "./subjects/semaphore.ts";
import { trial, type Scripts, type Subject } from "./trial.ts";

/** What was given, in all schedules. */
async function outcomes<T>(subject: Subject<T>, scripts: Scripts, shares: ExploreOptions["shares"]): Promise<string[]> {
  const seen = new Set<string>();
  const program = async (): Promise<void> => {
    const history = await trial(subject, scripts);
    seen.add(history.outcomes);
  };
  const { exhaustive } = await explore(program, { shares: shares!, strategy: "exhaustive", schedules: 50_000 });
  assert.ok(exhaustive);
  return [...seen].toSorted();
}

async function same<T>(subject: Subject<T>, scripts: Scripts): Promise<void> {
  const all = await outcomes(subject, scripts, "anything");
  assert.ok(all.length > 1);
  assert.deepEqual(await outcomes(subject, scripts, "tracked"), all);
}

it("semaphore: what is left out shows nothing else", () =>
  same(semaphore(1), { a: "acquire release+free", b: "try acquire" }));

it("channel: what is left out shows nothing else", () => same(channel(1), { a: "send send", b: "tryreceive receive" }));

it("latch: what is left out shows nothing else", () => same(latch, { a: "wait isopen", b: "open close" }));
