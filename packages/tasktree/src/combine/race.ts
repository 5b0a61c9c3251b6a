import { checkOptions, WorkCancelledError } from "../errors.ts";
import { spawnChild, type Child, type EndWatcher, type Task, type TaskGroup } from "../lowlevel.ts";
import { outcomeOf } from "./children.ts";
import { Contest, type OnLoser } from "./contest.ts";
import { checkOnLoser, listOf, nameOf, type Job } from "./functions.ts";

export interface RaceOptions<T> {
  /**
   * Gets the value of a function that was not the first and still returned one: close the connection, say. Called in the
   * context of this call, and awaited.
   */
  readonly onLoser?: OnLoser<T>;
}

/**
 * Runs functions side by side; the first to return or throw decides. The others are cancelled, and have ended when the
 * call settles. Ties go in list order; one that was cancelled never decides.
 *
 * A failure in a loser's cleanup rejects the whole. What a loser throws that did not know yet is dropped, as
 * `Promise.race` does.
 *
 * Cancellation: Checkpoint, effects possible: if this call is cancelled, so are the functions, and all have ended before
 * it rejects; the value of one that had won goes to `onLoser`.
 *
 * @throws {RangeError} If there are none.
 * @throws {TypeError} If one of them is not a function; none was called then.
 * @throws {WorkCancelledError} If each of them was cancelled by itself.
 * @example
 * ```ts
 * import { race, sleep } from "tasktree";
 * import assert from "node:assert";
 * const first = await race([() => sleep(1000), async () => "quick"]);
 * assert.equal(first, "quick");
 * ```
 */
export function race<const T extends readonly Job<unknown>[]>(
  jobs: T,
  options?: RaceOptions<Awaited<ReturnType<T[number]>>>,
): Promise<Awaited<ReturnType<T[number]>>>;
export function race<T>(jobs: Iterable<Job<T>>, options?: RaceOptions<T>): Promise<T>;
export function race<T>(jobs: Iterable<Job<T>>, options: RaceOptions<T> = {}): Promise<T> {
  try {
    checkOptions("run a race", options);
    const { onLoser } = options;
    checkOnLoser("a race", onLoser);
    const racers = listOf("a race", jobs);
    if (racers.length === 0) throw new RangeError("Cannot run a race of nothing: wanted at least one function");
    return outcomeOf(new Race(racers, onLoser));
  } catch (error) {
    return Promise.reject(error);
  }
}

class Race<T> extends Contest<T> {
  readonly #jobs: readonly Job<T>[];

  constructor(jobs: readonly Job<T>[], onLoser: OnLoser<T> | undefined) {
    super(onLoser);
    this.#jobs = jobs;
  }

  override startAll(group: TaskGroup): void {
    this.#jobs.forEach((job, at) => spawnChild(group, new Racer(this, job, at)));
  }

  override none(): WorkCancelledError {
    return new WorkCancelledError("Every function of the race was cancelled");
  }
}

/** A function that takes part; its name is made if somebody asks. */
class Racer<T> implements Child {
  previousWatcher: EndWatcher | undefined = undefined;
  nextWatcher: EndWatcher | undefined = undefined;
  watched: Task | undefined = undefined;
  readonly #race: Race<T>;
  readonly #job: Job<T>;
  readonly #at: number;

  constructor(ofRace: Race<T>, job: Job<T>, at: number) {
    this.#race = ofRace;
    this.#job = job;
    this.#at = at;
  }

  get name(): string {
    return nameOf("race", this.#job, this.#at);
  }

  run(): unknown {
    return this.#race.enter(this.#job);
  }

  /** What counts is what it has given: see {@link Contest}. */
  taskEnded(): void {}
}
