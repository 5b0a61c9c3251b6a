/**
 * Random trees of tasks that fail, cancel, swallow, start, attempt and clean up, against what holds for every one of them
 * (rules K1, K3 and K4): it ends, no child outlives its group, no error is lost, and services end after the others.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  checkpoint,
  currentTask,
  moveOnAfter,
  openTaskGroup,
  shield,
  sleep,
  sleepForever,
  suppressedErrors,
  withTaskGroup,
  type Task,
  type TaskGroup,
} from "../src/index.ts";
import { randomFrom } from "./random.ts";
import { virtually } from "./virtual.ts";

const seeds = 400;
const deepest = 4;

/** One group: what runs in it, and what was spawned in it so far. */
interface Place {
  readonly group: TaskGroup;
  readonly tasks: Task[];
  readonly depth: number;
  running: number;
}

class Tree {
  readonly #random: (below: number) => number;
  /** Errors that somebody has thrown, and those that somebody has seen. */
  readonly thrown = new Set<unknown>();
  readonly seen = new Set<unknown>();
  readonly broken: string[] = [];
  /** Whether no cut-off comes before all have ended by themselves. */
  readonly #patient: boolean;
  #tasks = 0;

  constructor(seed: number, grace: number) {
    this.#random = randomFrom(seed);
    this.#patient = grace > 1000;
  }

  /** What was thrown and is in nothing that anybody has seen. */
  lost(): unknown[] {
    const found = new Set(this.seen);
    for (const error of found) {
      for (const other of suppressedErrors(error)) found.add(other);
      if (error instanceof AggregateError) for (const part of error.errors as unknown[]) found.add(part);
      if (error instanceof Error) found.add(error.cause);
    }
    return [...this.thrown].filter((error) => !found.has(error));
  }

  #fail(what: string): never {
    const error = new Error(what);
    this.thrown.add(error);
    throw error;
  }

  /** A group with children, whose block does something too. */
  async group(depth: number): Promise<void> {
    const failures = this.#random(4) === 0 ? "collect" : "cancel";
    let place: Place | undefined;
    try {
      await withTaskGroup(
        async (group) => {
          place = { group, tasks: [], depth, running: 0 };
          for (let children = this.#random(4); children > 0; children--) await this.#child(place);
          await this.#act(place);
        },
        { failures },
      );
    } finally {
      this.#checkOver(place!);
    }
  }

  async #openGroup(depth: number): Promise<void> {
    const group = openTaskGroup();
    const place: Place = { group, tasks: [], depth, running: 0 };
    try {
      for (let children = this.#random(3); children > 0; children--) await this.#child(place);
      if (this.#random(2) === 0) await group.join();
    } catch (error) {
      this.seen.add(error);
      throw error;
    } finally {
      // if not, its owner ends it
      if (this.#random(4) > 0) {
        await group[Symbol.asyncDispose]();
        this.#checkOver(place);
      }
    }
  }

  #checkOver(place: Place): void {
    if (place.running > 0) this.broken.push(`'${place.group.path}' has ended with ${place.running} running`);
  }

  async #child(place: Place): Promise<void> {
    const { group } = place;
    const name = `t${this.#tasks++}`;
    const body = async (): Promise<void> => {
      place.running++;
      await this.#life(place).finally(() => place.running--);
    };
    const kind = this.#random(8);
    if (kind === 0) group.spawn(() => this.#service(place), { name, service: true });
    else if (kind === 1) place.tasks.push(group.attempt(body, { name }));
    else if (kind === 2) await this.#start(place, name, body);
    else place.tasks.push(group.spawn(body, { name }));
  }

  async #start({ group }: Place, name: string, body: () => Promise<void>): Promise<void> {
    await group.start(
      async (started) => {
        if (this.#random(2) === 0) await sleep(this.#random(5));
        if (this.#random(4) === 0) this.#fail(`${name} before it has started`);
        started();
        await body();
      },
      { name },
    );
  }

  async #service(place: Place): Promise<void> {
    try {
      await sleepForever();
    } finally {
      if (this.#patient && place.running > 0) {
        this.broken.push(`a service of '${place.group.path}' was ended before the others`);
      }
      if (this.#random(6) === 0) this.#fail("service");
    }
  }

  /** What a task does from its beginning to its end. */
  async #life(place: Place): Promise<void> {
    try {
      for (let acts = 1 + this.#random(3); acts > 0; acts--) await this.#act(place);
    } catch (error) {
      const ending = this.#random(10);
      if (ending < 6) throw error;
      this.seen.add(error);
      if (ending === 6) this.#fail("in cleanup");
      if (ending === 7) await this.group(place.depth + 1);
      if (ending === 8) {
        await sleep(this.#random(30));
        throw error;
      }
    }
  }

  async #act(place: Place): Promise<void> {
    const { group, tasks, depth } = place;
    const self = currentTask()!;
    switch (this.#random(14)) {
      case 0:
        return this.#fail(`by ${self.name}`);
      case 1:
        return group.cancel();
      case 2:
        return self.cancel();
      case 3:
        return await shield(() => sleep(this.#random(20)), { timeout: this.#random(30) });
      case 4:
        return await this.#awaitEarlier(tasks, self);
      case 5:
        return await this.#sibling(place);
      case 6:
      case 7:
      case 8:
        return depth < deepest ? await this.group(depth + 1) : undefined;
      case 9:
        return depth < deepest ? await this.#openGroup(depth + 1) : undefined;
      case 10:
        return await moveOnAfter(this.#random(10), () => sleep(this.#random(20)));
      default:
        return await (this.#random(3) === 0 ? checkpoint() : sleep(this.#random(20)));
    }
  }

  /** Of one's siblings, only earlier ones: so that nobody waits in a ring. */
  async #awaitEarlier(tasks: readonly Task[], self: Task): Promise<void> {
    const before = tasks.indexOf(self);
    if (before < 1) return;
    try {
      await tasks[this.#random(before)]!;
    } catch (error) {
      this.seen.add(error);
      if (this.#random(2) === 0) throw error;
    }
  }

  async #sibling(place: Place): Promise<void> {
    if (place.tasks.length < 8) await this.#child(place);
  }
}

test("K1a K4b whatever tasks do, their groups outlive them, and no error is lost", async () => {
  let failed = 0;
  for (let seed = 1; seed <= seeds; seed++) {
    const grace = [0, 10, 5000][seed % 3]!;
    const tree = new Tree(seed, grace);
    let ended = false;
    await virtually(() => tree.group(0).finally(() => (ended = true)), { grace }).catch((error: unknown) => {
      failed++;
      tree.seen.add(error);
    });
    assert.ok(ended, `seed ${seed} has ended`);
    assert.deepEqual(tree.broken, [], `seed ${seed}`);
    assert.deepEqual(tree.lost(), [], `seed ${seed} loses errors`);
  }
  assert.ok(failed > 20 && failed < seeds, `${failed} of ${seeds} failed`);
});
