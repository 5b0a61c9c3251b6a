/** The watchdog's second thread: finds the first one blocked, looks at what it does, and prints that. See watchdog.ts. */
import { writeSync } from "node:fs";
import { Session, type Debugger } from "node:inspector";
import { fileURLToPath } from "node:url";
import { workerData } from "node:worker_threads";
import { describe, lateness, type Orders, type Sighting } from "./stall.ts";

const { beats, every, ms, print, taskPath, ownFolder, port } = workerData as Orders;

/** A deep recursion is told by its innermost calls. */
const longestStack = 20;

/** The last beat that was seen, and what its lateness must reach for the next report. */
let beat = Atomics.load(beats, 0);
let nextReport = ms;
/** When this thread last ran, and since when it has run without a gap. */
let looked = process.hrtime.bigint();
let awake = beat;
/** Open while a pause is wanted. */
let session: Session | undefined;

setInterval(look, every);

function look(): void {
  const now = process.hrtime.bigint();
  // Both threads stood still: the process was stopped, or the machine is too busy to run it.
  if (lateness(looked, now, every) > ms) awake = now;
  looked = now;
  const last = Atomics.load(beats, 0);
  if (last !== beat) nextStall(last);
  const late = currentLateness();
  if (late <= nextReport) return;
  const again = late > 10 * ms;
  while (late > nextReport) nextReport *= 10;
  if (session === undefined) pause(again);
  // The pause that was asked for has not come, since no JavaScript runs; it will when that goes on.
  else tell({ beat, task: undefined, stack: [] });
}

function nextStall(last: bigint): void {
  beat = last;
  nextReport = ms;
  leave();
}

function currentLateness(): number {
  return lateness(beat > awake ? beat : awake, process.hrtime.bigint(), every);
}

/** `anyCode`: also if none of it is the program's. */
function pause(anyCode: boolean): void {
  const urls = new Map<string, string>();
  const opened = new Session();
  session = opened;
  try {
    opened.connectToMainThread();
  } catch (error) {
    return unavailable(error as Error);
  }
  opened.on("Debugger.scriptParsed", ({ params }) => urls.set(params.scriptId, params.url));
  opened.once("Debugger.paused", ({ params }) => {
    // Main may have got on before the pause reached it: then this is other code, and innocent.
    if (Atomics.load(beats, 0) !== beat) return leave();
    try {
      read(opened, params.callFrames, urls, anyCode);
    } catch (error) {
      leave();
      throw error;
    }
  });
  // All at once: a main thread in native code may listen only once before it is free again.
  opened.post("Debugger.enable", (error) => {
    if (error !== null && session === opened) unavailable(error);
  });
  opened.post("Debugger.pause");
}

function read(
  opened: Session,
  callFrames: readonly Debugger.CallFrame[],
  urls: ReadonlyMap<string, string>,
  anyCode: boolean,
): void {
  const frames = callFrames.map((frame) => ({ frame, url: urls.get(frame.location.scriptId) ?? "" }));
  const ofProgram = frames.filter(({ url }) => !url.startsWith("node:") && !url.startsWith(ownFolder));
  const shown = ofProgram.length > 0 || !anyCode ? ofProgram : frames;
  const stack = shown.slice(0, longestStack).map(({ frame, url }) => line(frame, url));
  if (shown.length > longestStack) stack.push(`and ${shown.length - longestStack} calls further out`);
  // Not on the top frame: Node's own code has other globals, and WebAssembly none. The context is the blocked code's all the same.
  opened.post("Runtime.evaluate", { expression: taskPath, silent: true, returnByValue: true }, (_error, answer) => {
    if (session !== opened) return;
    const value: unknown = answer?.result?.value;
    const task = typeof value === "string" ? value : undefined;
    try {
      if (task !== undefined || stack.length > 0) tell({ beat, task, stack });
    } finally {
      leave();
    }
  });
}

/** As V8 writes it. */
function line({ functionName, location }: Debugger.CallFrame, url: string): string {
  const file = url.startsWith("file:") ? fileURLToPath(url) : url === "" ? "<anonymous>" : url;
  const place = `${file}:${location.lineNumber + 1}:${(location.columnNumber ?? 0) + 1}`;
  return functionName === "" ? `at ${place}` : `at ${functionName} (${place})`;
}

/** Main is blocked or paused here: what is sent now, it finds as soon as it is free. */
function tell(sighting: Extract<Sighting, { stack: unknown }>): void {
  port.postMessage(sighting);
  if (print) write(describe({ ...sighting, ms: currentLateness() }, "has been"));
}

function unavailable(error: Error): void {
  port.postMessage({ beat, unavailable: error.message } satisfies Sighting);
  leave();
}

/** Also lets a paused thread go on. Without it that would stand still for good, and not even answer to signals. */
function leave(): void {
  session?.disconnect();
  session = undefined;
}

function write(text: string): void {
  try {
    writeSync(2, `${text}\n`);
  } catch {
    // Standard error is closed, or full: main, which waits for us, must not wait for its reader.
  }
}
