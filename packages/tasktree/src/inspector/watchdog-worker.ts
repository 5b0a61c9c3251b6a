/** The watchdog's second thread: finds the first one blocked, and has it say by what. See watchdog.ts. */
import { writeSync } from "node:fs";
import { Session } from "node:inspector";
import { workerData } from "node:worker_threads";
import { lateness, slot, type Orders } from "./stall.ts";

const { shared, every, ms, look, print } = workerData as Orders;

/** The last beat that was seen, and what its lateness must reach for the next report. */
let beat = Atomics.load(shared, slot.beat);
let nextReport = ms;
/** When this thread last ran, and since when it has run without a gap. */
let lastRun = process.hrtime.bigint();
let awake = beat;
/** How often the main thread was asked to look. */
let asked = 0n;

setInterval(watch, every);

function watch(): void {
  const now = process.hrtime.bigint();
  // Both threads stood still: the process was stopped, or the machine is too busy to run it.
  if (lateness(lastRun, now, every) > ms) awake = now;
  lastRun = now;
  const last = Atomics.load(shared, slot.beat);
  if (last !== beat) {
    beat = last;
    nextReport = ms;
  }
  const late = lateness(beat > awake ? beat : awake, now, every);
  if (late <= nextReport) return;
  while (late > nextReport) nextReport *= 10;
  if (asked === Atomics.load(shared, slot.looks)) ask();
  else tellOfNativeCode(late);
}

/**
 * The main thread answers in the middle of what it does, as soon as JavaScript runs there, and before that goes on: it
 * works off all three at once, so no session is left open that its exit would have to wait for.
 */
function ask(): void {
  asked++;
  const session = new Session();
  session.connectToMainThread();
  session.post("Runtime.evaluate", { expression: look, silent: true });
  session.disconnect();
}

/** It was asked at the last report, and no JavaScript has run since; it will still look when that goes on. */
function tellOfNativeCode(late: number): void {
  Atomics.store(shared, slot.native, beat);
  if (print) writeSync(2, `tasktree: the event loop has been blocked for ${Math.round(late)} ms in native code\n`);
}
