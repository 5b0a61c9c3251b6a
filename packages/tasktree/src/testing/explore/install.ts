/** What an exploration does to its process, and takes back. */
import { currentFrame, enter, here } from "../../core/current.ts";
import { watchLines } from "../../core/wait-list.ts";
import { InvalidStateError } from "../../errors.ts";
import { watchIo } from "../io.ts";
import { installPlatform } from "../platform/install.ts";
import { VirtualClock } from "../virtual-clock.ts";
import { installAwaitHook, selfTest } from "./await-hook.ts";
import { setFailpoints } from "./injections.ts";
import type { Random } from "./random.ts";
import type { Schedule } from "./schedule.ts";
import { setTracking } from "./tracked.ts";

/** The schedule that runs. */
let schedule: Schedule | undefined;
/** What the program's `Math.random` draws from. */
let random: Random | undefined;
/** Whether this runtime has been found to do what is counted on. */
let tested = false;

export function setSchedule(running: Schedule | undefined, drawsFrom: Random | undefined): void {
  schedule = running;
  random = drawsFrom;
}

/** Whether the running code is of a program that is being explored. */
export function isExploring(): boolean {
  return schedule?.covers(currentFrame()) === true;
}

export interface Installation {
  /** Whether the program waits for something real. */
  ioPending(): boolean;
  uninstall(): void;
}

/** Hooks into awaits, `Math.random`, failpoints and tracked objects, and watches I/O. */
export async function install(): Promise<Installation> {
  if (!tested) await test();
  const unhook = installAwaitHook((promise, frame) =>
    schedule?.covers(frame) === true ? schedule.park(promise, frame) : undefined,
  );
  const drawn = Math.random;
  Math.random = () => {
    if (random === undefined || !isExploring()) return drawn();
    schedule?.accessed(random, "write");
    return random.next();
  };
  setFailpoints((name) => schedule?.failpoint(name));
  setTracking(() => schedule);
  watchLines((line, isNew) => schedule?.usedLine(line, isNew === true));
  const io = watchIo((frame) => schedule?.covers(frame) === true);
  // Keeps the platform's functions patched between schedules.
  const unpatch = installPlatform(new VirtualClock({ autoJump: false }), () => false);
  return {
    ioPending: () => io.pending().length > 0,
    uninstall() {
      unhook();
      Math.random = drawn;
      setFailpoints(undefined);
      setTracking(undefined);
      watchLines(undefined);
      io.stop();
      unpatch();
    },
  };
}

async function test(): Promise<void> {
  const node = here();
  const wrong = await selfTest((fn) => enter(node.frame, fn, undefined, undefined));
  if (wrong !== undefined) throw new InvalidStateError(`Cannot explore on this runtime: ${wrong}`);
  tested = true;
}
