/**
 * A process and its descendants, as signals reach them: a group of its own, whose number is that of the process.
 *
 * The number is not given to another process as long as one of the group lives, nor before we have been told of the end of
 * the first. So signals go to the group only until its end was told; after that, only while it was seen alive a moment ago: numbers
 * would have to go round once within {@link longestPause} for a stranger to be hit.
 */
import { readdirSync, readFileSync } from "node:fs";
import { later } from "./later.ts";

/** Between two looks at a group whose first process has ended, in milliseconds. */
const longestPause = 50;

export class ProcessGroup {
  /** What `kill` takes. */
  readonly target: number;
  #over = false;
  readonly #told: () => void;

  /**
   * @param own Whether it is a group; else the process alone.
   * @param told Called once, when all have ended.
   */
  constructor(pid: number, own: boolean, told: () => void) {
    this.target = own ? -pid : pid;
    this.#told = told;
  }

  get over(): boolean {
    return this.#over;
  }

  /** Sends a signal to all; nothing happens if they have ended. */
  signal(name: NodeJS.Signals): void {
    if (this.#over) return;
    try {
      process.kill(this.target, name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }

  /** The first process has ended, and its number is free when the others have; tells whether there are any. */
  leaderEnded(): boolean {
    this.#watch(1);
    return !this.#over;
  }

  #watch(pause: number): void {
    if (this.target < 0 && hasLiving(-this.target)) {
      later(() => this.#watch(Math.min(2 * pause, longestPause)), pause);
    } else {
      this.#over = true;
      this.#told();
    }
  }
}

/** Whether somebody lives in a group; of those that run as another user nobody can tell, and nobody can end them. */
function hasLiving(group: number): boolean {
  try {
    process.kill(-group, 0);
  } catch {
    return false;
  }
  return hasLivingInProc(group) ?? true;
}

/**
 * For those that have ended and were not collected a signal is no error. That is up to whoever adopts them, in a container perhaps
 * nobody. Undefined where there is no `/proc`.
 */
function hasLivingInProc(group: number): boolean | undefined {
  const pids = list("/proc")?.filter((name) => /^\d+$/.test(name));
  if (pids === undefined || pids.length === 0) return undefined;
  return pids.some((pid) => {
    const [state, , itsGroup] = stat(pid);
    return Number(itsGroup) === group && state !== "Z" && state !== "X";
  });
}

function list(folder: string): string[] | undefined {
  try {
    return readdirSync(folder);
  } catch {
    return undefined;
  }
}

/** State, parent, group …: what stands behind the name, which may hold anything. */
function stat(pid: string): string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return []; // it has ended meanwhile
  }
}
