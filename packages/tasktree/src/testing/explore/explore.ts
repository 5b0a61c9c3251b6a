/** Trying the schedules of a program: what decides which, and what is said of one that fails. */
import { inHostContext } from "../../core/current.ts";
import type { Task } from "../../core/task.ts";
import { brief, InvalidStateError, ScheduleError } from "../../errors.ts";
import { installPlatform } from "../platform/install.ts";
import type { Strategy } from "./choices.ts";
import { Exhaustive } from "./exhaustive.ts";
import type { Injections } from "./injections.ts";
import { install, isExploring, setSchedule, type Installation } from "./install.ts";
import { interleaving } from "./interleaving.ts";
import { Keys } from "./keys.ts";
import { fromReplayWord, indicesOf, Replay, replayWord } from "./replay.ts";
import { Random } from "./random.ts";
import { PriorityWalk, RandomWalk } from "./sampling.ts";
import { alike, firstLine, isInjected } from "./same-failure.ts";
import { Schedule, type Ended } from "./schedule.ts";
import { shrink } from "./shrink.ts";
import { Trace } from "./trace.ts";

export interface ExploreOptions {
  /** For reports, and to tell whose replay it is; default: the program's name. */
  readonly name?: string;
  /**
   * "auto" (default): exhaustive as far as half of the schedules go, then random and by priorities in turn. "exhaustive":
   * depth first, each once; with `preemptions`, those with at most so many. "random"; "priorities": see `depth`.
   */
  readonly strategy?: "auto" | "exhaustive" | "random" | "priorities";
  /** How many schedules are tried at most; default 1,000. */
  readonly schedules?: number;
  /** How long it may go on, in milliseconds; default: no limit. */
  readonly timeLimit?: number;
  /** What random schedules, and the program's own `Math.random()`, are drawn from; default 1. */
  readonly seed?: number;
  /** Exhaustive: how many steps of a schedule may go before one that became ready earlier; default Infinity. */
  readonly preemptions?: number;
  /** How many orderings a bug needs that "priorities" is to find; default 3. */
  readonly depth?: number;
  /** How many tasks are cancelled in a schedule, each at any of its waits; default 0. */
  readonly cancellations?: number;
  /** Which tasks may be; default: all but the program itself, so that it can check what is left. */
  readonly cancels?: (task: Task) => boolean;
  /** How many steps are held up in a schedule; default 0. By `delayMs`, default 1,000, of virtual time. */
  readonly delays?: number;
  readonly delayMs?: number;
  /** How many `failpoint`s throw in a schedule; default 0. */
  readonly failures?: number;
  /**
   * "tracked": all that tasks share is `tracked`, mutexes and channels too. Schedules that differ only in the order of steps
   * that touch nothing in common then count as one: far fewer. Default "anything": no such promise.
   */
  readonly shares?: "anything" | "tracked";
  /** Whether a lost update of something `tracked` fails a schedule: "fail" (default), or "allow". */
  readonly lostUpdates?: "fail" | "allow";
  /** A schedule that is not at its end after so many steps fails; default 10,000. */
  readonly maxSteps?: number;
}

/** What was tried. */
export interface Exploration {
  readonly schedules: number;
  /** How many of them were different. */
  readonly distinct: number;
  /** Whether these were all there are. */
  readonly exhaustive: boolean;
  readonly steps: number;
  readonly cancellations: number;
  /** Equal for explorations in which the same happened. */
  readonly hash: number;
}

const defaultSchedules = 1000;
const defaultMaxSteps = 10_000;
/** How many schedules are tried to make a failing one simpler. */
const shrinkAttempts = 400;
/** How long that may go on, in milliseconds. */
const longestShrink = 10_000;

/** One exploration at a time: the hook belongs to the process. */
let queue: Promise<unknown> = Promise.resolve();

/**
 * Runs `program` again and again, each time in another schedule, until one fails or enough have passed.
 *
 * A schedule is the order in which what awaits goes on: the explorer decides it at each `await` of a promise, in tasks as
 * well as in code that knows nothing of tasktree. Each time `program` runs as the first task of a tree of its own, in virtual
 * time. A schedule fails if `program` rejects, if nothing can go on, or if a lost update of something `tracked` is seen; then
 * the simplest schedule that fails like that is looked for, and this call rejects with a {@link ScheduleError} which shows it and
 * tells how to replay it: with `TASKTREE_REPLAY` in the environment, that schedule alone runs.
 *
 * The program must do the same each time when scheduled the same: time (the platform's timers and dates too) and
 * `Math.random()` are virtual, real I/O is waited for but not repeatable. An `await` of what is no promise, and reactions made by `.then` with one handler, are no choices: they
 * go on in order. While it explores, the process is hooked into; others' code goes on unscheduled, at a small cost.
 *
 * Cancellation: Not a checkpoint; runs outside of the caller's task.
 *
 * @throws {ScheduleError} If a schedule fails.
 * @throws {InvalidStateError} If the program does not do the same when scheduled the same.
 * @throws {RangeError} If a number is out of its range.
 * @example
 * ```ts
 * import { explore } from "tasktree/testing";
 * import assert from "node:assert";
 * const program = async () => {
 *   let count = 0;
 *   const add = async () => {
 *     const before = count;
 *     await Promise.resolve();
 *     count = before + 1;
 *   };
 *   await Promise.all([add(), add()]);
 *   assert.equal(count, 2);
 * };
 * await assert.rejects(explore(program), { name: "ScheduleError" });
 * ```
 */
export function explore(program: () => unknown, options: ExploreOptions = {}): Promise<Exploration> {
  const settings = checked(program, options);
  if (isExploring()) {
    throw new InvalidStateError(`Cannot explore '${settings.name}' from within a program that is being explored`);
  }
  const turn = queue.then(() => inHostContext(() => new Explorer(program, settings).run()));
  queue = turn.catch(() => undefined);
  return turn;
}

interface Settings {
  readonly name: string;
  readonly strategy: NonNullable<ExploreOptions["strategy"]>;
  readonly schedules: number;
  readonly timeLimit: number;
  readonly seed: number;
  readonly preemptions: number;
  readonly depth: number;
  readonly injections: Injections;
  readonly onlyTracked: boolean;
  readonly lostUpdates: "fail" | "allow";
  readonly maxSteps: number;
}

function checked(program: () => unknown, options: ExploreOptions): Settings {
  if (typeof program !== "function") throw new TypeError(`Cannot explore ${brief(program)}: wanted a function`);
  const strategies = ["auto", "exhaustive", "random", "priorities"] as const;
  const { strategy = "auto", shares = "anything", lostUpdates = "fail" } = options;
  if (!strategies.includes(strategy)) {
    throw new TypeError(`Cannot explore with strategy ${brief(strategy)}: wanted ${strategies.join(", ")}`);
  }
  if (shares !== "anything" && shares !== "tracked") {
    throw new TypeError(`Cannot explore with shares ${brief(shares)}: wanted "anything" or "tracked"`);
  }
  if (lostUpdates !== "fail" && lostUpdates !== "allow") {
    throw new TypeError(`Cannot explore with lostUpdates ${brief(lostUpdates)}: wanted "fail" or "allow"`);
  }
  return {
    lostUpdates,
    name: (options.name ?? program.name) || "program",
    strategy,
    schedules: number(options, "schedules", defaultSchedules, 1),
    timeLimit: number(options, "timeLimit", Infinity, 0),
    seed: number(options, "seed", 1, 0, 2 ** 32),
    preemptions: number(options, "preemptions", Infinity, 0),
    depth: number(options, "depth", 3, 1, 100),
    injections: {
      cancellations: number(options, "cancellations", 0, 0),
      cancels: options.cancels ?? ((task) => task.path !== "main"),
      delays: number(options, "delays", 0, 0),
      delayMs: number(options, "delayMs", 1000, 0),
      failures: number(options, "failures", 0, 0),
    },
    onlyTracked: shares === "tracked",
    maxSteps: number(options, "maxSteps", defaultMaxSteps, 1),
  };
}

function number(
  options: ExploreOptions,
  name: keyof ExploreOptions,
  otherwise: number,
  least: number,
  most: number = Infinity,
): number {
  const value = options[name] ?? otherwise;
  const isWhole = Number.isInteger(value) || value === Infinity;
  if (typeof value === "number" && isWhole && value >= least && value <= most) return value;
  const range = most === Infinity ? `from ${least}` : `from ${least} to ${most}`;
  throw new RangeError(`Cannot explore with ${name} ${brief(value)}: wanted a whole number ${range}`);
}

class Explorer {
  readonly #program: () => unknown;
  readonly #settings: Settings;
  readonly #keys = new Keys();
  readonly #seen = new Set<number>();
  #installation!: Installation;
  /** When to stop, on the machine's clock. */
  #until = Infinity;
  #schedules = 0;
  #steps = 0;
  #cancellations = 0;
  #hash = 0;

  constructor(program: () => unknown, settings: Settings) {
    this.#program = program;
    this.#settings = settings;
  }

  async run(): Promise<Exploration> {
    this.#installation = await install();
    try {
      const replayed = replayWanted(this.#settings.name);
      if (replayed !== undefined) return await this.#replay(replayed.seed, replayed.choices);
      return await this.#explore();
    } finally {
      this.#installation.uninstall();
    }
  }

  async #explore(): Promise<Exploration> {
    const { schedules, timeLimit, preemptions } = this.#settings;
    this.#until = performance.now() + timeLimit;
    for (const [way, count] of waysOf(this.#settings)) {
      for (let tried = 0; tried < count; tried++) {
        if (this.#schedules >= schedules || performance.now() >= this.#until) return this.#result(false);
        if (!way.begin()) return this.#result(way instanceof Exhaustive && preemptions === Infinity);
        await this.#try(way);
      }
    }
    return this.#result(false);
  }

  #result(exhaustive: boolean): Exploration {
    return {
      schedules: this.#schedules,
      distinct: this.#seen.size,
      exhaustive,
      steps: this.#steps,
      cancellations: this.#cancellations,
      hash: this.#hash >>> 0,
    };
  }

  async #try(way: Strategy): Promise<void> {
    const ended = await this.#schedule(way, undefined);
    if (!ended.isRedundant) this.#count(ended);
    if (this.#fails(ended)) throw await this.#failure(way, ended);
  }

  #count({ hash, steps, cancellations }: Ended): void {
    this.#schedules++;
    this.#seen.add(hash);
    this.#steps += steps;
    this.#cancellations += cancellations;
    this.#hash = Math.imul(this.#hash ^ hash, 0x01000193);
  }

  /** Whether what has happened is more than that something which was injected has come through. */
  #fails({ status, error, cancellations }: Ended): boolean {
    return status === "failed" && !isInjected(error, cancellations > 0);
  }

  async #schedule(strategy: Strategy, trace: Trace | undefined): Promise<Ended> {
    const { injections, maxSteps, onlyTracked, lostUpdates, seed } = this.#settings;
    const { ioPending } = this.#installation;
    const settings = { strategy, keys: this.#keys, injections, maxSteps, onlyTracked, lostUpdates, trace, ioPending };
    const schedule = new Schedule(settings);
    setSchedule(schedule, new Random(seed));
    const uninstallPlatform = installPlatform(schedule.virtualClock, (frame) => schedule.covers(frame));
    try {
      return await schedule.run(this.#program);
    } finally {
      uninstallPlatform();
      setSchedule(undefined, undefined);
    }
  }

  async #replay(seed: number, choices: readonly number[]): Promise<Exploration> {
    const replay = new Replay(choices);
    const ended = await this.#schedule(replay, undefined);
    this.#count(ended);
    if (this.#fails(ended)) throw await this.#shown(ended, indicesOf(ended.choices), "replayed");
    if (replay.fits) return this.#result(false);
    throw new InvalidStateError(
      `Cannot replay '${this.#settings.name}': it has not come to the choices of TASKTREE_REPLAY, so it is another program, or does something else here`,
    );
  }

  async #failure(way: Strategy, ended: Ended): Promise<ScheduleError> {
    const choices = indicesOf(ended.choices);
    const until = Math.min(this.#until, performance.now() + longestShrink);
    const simplest = await shrink(
      choices,
      async (some) => {
        if (performance.now() > until) return undefined;
        const again = await this.#schedule(new Replay(some), undefined);
        return this.#fails(again) && alike(again.error, ended.error) ? indicesOf(again.choices) : undefined;
      },
      shrinkAttempts,
    );
    const last = await this.#schedule(new Replay(simplest), undefined);
    const found = `schedule ${this.#schedules} (${way.name}, seed ${this.#settings.seed}), ${different(choices)} choices made, ${different(simplest)} needed`;
    if (this.#fails(last)) return this.#shown(last, simplest, found);
    return this.#shown(
      ended,
      simplest,
      `${found}\n  it does not fail again when scheduled the same: not deterministic`,
    );
  }

  async #shown(ended: Ended, choices: readonly number[], found: string): Promise<ScheduleError> {
    const trace = new Trace();
    await this.#schedule(new Replay(choices), trace);
    const { name, seed } = this.#settings;
    const replay = `${name}@${replayWord(seed, choices)}`;
    const picture = interleaving(trace);
    const message = `'${name}' fails in a schedule: ${firstLine(ended.error)}\n  ${found}\n  replay it: TASKTREE_REPLAY='${replay}'\n\n${picture}\n`;
    return new ScheduleError(message, {
      cause: ended.error,
      replay,
      interleaving: picture,
      schedules: this.#schedules,
    });
  }
}

/** The strategies that are used one after the other, and for how many schedules each. */
function* waysOf({ strategy, schedules, seed, preemptions, depth }: Settings): Iterable<readonly [Strategy, number]> {
  const random = new Random(seed);
  if (strategy === "exhaustive") return yield [new Exhaustive(preemptions), schedules];
  if (strategy === "random") return yield [new RandomWalk(random), schedules];
  if (strategy === "priorities") return yield [new PriorityWalk(random, depth), schedules];
  yield [new Exhaustive(preemptions), Math.ceil(schedules / 2)];
  const lots = [new RandomWalk(random), new PriorityWalk(random, depth)];
  for (;;) for (const way of lots) yield [way, 1];
}

/** The schedule that the environment asks for, if it is one of the program `name`. */
function replayWanted(name: string): { readonly seed: number; readonly choices: number[] } | undefined {
  const wanted = process.env["TASKTREE_REPLAY"];
  const at = wanted?.lastIndexOf("@") ?? -1;
  if (wanted === undefined || (at >= 0 && wanted.slice(0, at) !== name)) return undefined;
  const replay = fromReplayWord(wanted.slice(at + 1));
  if (replay !== undefined) return replay;
  throw new RangeError(`Cannot replay TASKTREE_REPLAY=${brief(wanted)}: wanted what a ScheduleError has printed`);
}

function different(choices: readonly number[]): number {
  return choices.filter((choice) => choice !== 0).length;
}
