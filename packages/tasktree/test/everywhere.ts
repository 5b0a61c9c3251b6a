import {
  all,
  any,
  asCompleted,
  failAfter,
  mapConcurrent,
  moveOnAfter,
  race,
  shield,
  sleep,
  TaskLocal,
  withCancelScope,
  withTaskGroup,
} from "../src/index.ts";
import { spawnChild } from "../src/lowlevel.ts";
import { collected } from "./collected.ts";
import { Job } from "./job.ts";

async function* slowly<T>(...items: T[]): AsyncGenerator<T> {
  for (const item of items) {
    await sleep(1);
    yield item;
  }
}

/** What `look` gives in each thing that enters a context of tasktree's: at once, and after a wait. */
export async function everywhere<T>(look: () => T): Promise<Record<string, [T, T]>> {
  const looked = async (): Promise<[T, T]> => {
    const before = look();
    await sleep(1);
    return [before, look()];
  };
  const seen: Record<string, [T, T]> = {};
  const note = async (name: string, given: PromiseLike<[T, T] | undefined>): Promise<void> => {
    seen[name] = (await given)!;
  };
  /** The first function of a list is often special. */
  const noteLast = (name: string, given: PromiseLike<[T, T][]>): Promise<void> =>
    note(
      name,
      given.then((all) => all.at(-1)),
    );
  const list = [looked, looked, looked];
  await note(
    "a task",
    withTaskGroup(async (group) => await group.spawn(looked)),
  );
  await withTaskGroup(async (group) => {
    const job = new Job(async () => void (seen["a child that is an object"] = await looked()));
    spawnChild(group, job);
  });
  await note("a group", withTaskGroup(looked));
  await note("a scope", withCancelScope(looked));
  await note("a shield", shield(looked, { timeout: 100 }));
  await note("failAfter", failAfter(100, looked));
  await note("moveOnAfter", moveOnAfter(100, looked));
  await note("a task local", new TaskLocal({ default: 0 }).run(1, looked));
  await note("race", race([looked]));
  await note("any", any([looked]));
  for (const limit of [1, 2, Infinity]) {
    await noteLast(`all, ${limit} at a time`, all(list, { limit }));
    await noteLast(`all of a generator, ${limit} at a time`, all(list.values(), { limit }));
    await noteLast(`all of an async source, ${limit} at a time`, all(slowly(...list), { limit }));
    await noteLast(`mapConcurrent, ${limit} at a time`, collected(mapConcurrent([1, 2, 3], looked, { limit })));
    await noteLast(
      `mapConcurrent of an async source, ${limit} at a time`,
      collected(mapConcurrent(slowly(1, 2, 3), looked, { limit })),
    );
    await noteLast(`asCompleted, ${limit} at a time`, collected(asCompleted(list, { limit })));
  }
  return seen;
}
