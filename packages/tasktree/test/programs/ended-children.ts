/** Children of one group that end in every way: tells which of them are not collected when they have ended. */
import {
  checkpoint,
  currentTask,
  moveOnAfter,
  run,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
  type Task,
  type TaskGroup,
} from "../../src/index.ts";
import { collectGarbage } from "../collect-garbage.ts";

const many = 2000;
/** The last ones may still be in a register or a cache. */
const mayStay = 20;

const always = new Error("always the same");

async function fails(): Promise<never> {
  await checkpoint();
  throw new Error("attempt");
}

function ignore(): void {}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Makes a child, gives it to `keep`, and sees to its end. */
type Kind = (group: TaskGroup, keep: (task: Task) => void) => unknown;

const kinds: Record<string, Kind> = {
  "at once": (group, keep) => keep(group.spawn(() => {})),
  "after a wait": (group, keep) => keep(group.spawn(() => sleep(1))),
  cancelled(group, keep) {
    const task = group.spawn(sleepForever);
    keep(task);
    task.cancel();
  },
  "cancelled with its starter": (group, keep) =>
    withCancelScope((scope) => {
      const started = group.start(() => {
        keep(currentTask()!);
        return sleepForever();
      });
      scope.cancel();
      return started;
    }),
  async "awaited by one who left"(group, keep) {
    const task = group.spawn(() => sleep(2));
    keep(task);
    await moveOnAfter(0, async () => await task);
  },
  "told by a callback"(group, keep) {
    const task = group.spawn(checkpoint);
    keep(task);
    task.onEnd(ignore);
  },
  async "an attempt, awaited"(group, keep) {
    const task = group.attempt(fails);
    keep(task);
    await task.then(ignore, ignore);
  },
  async "an attempt, awaited late"(group, keep) {
    const task = group.attempt(fails);
    keep(task);
    await turn();
    await task.then(ignore, ignore);
  },
  async "one whose error lives on"(group, keep) {
    const task = group.attempt(() => withTaskGroup((inner) => void inner.spawn(() => Promise.reject(always))));
    keep(task);
    await task.outcome();
  },
  "a service": (group, keep) => keep(group.spawn(checkpoint, { service: true })),
  "a started service": (group, keep) =>
    group.start(
      async (started) => {
        keep(currentTask()!);
        started();
        await checkpoint();
      },
      { service: true },
    ),
  "spawned by its predecessor": (group, keep) => {
    let links = 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    const link = async (): Promise<void> => {
      await checkpoint();
      if (links++ < many) keep(group.spawn(link));
      else resolve();
    };
    keep(group.spawn(link));
    return promise;
  },
};

async function alive(made: WeakRef<Task>[]): Promise<number> {
  await new Promise((resolve) => {
    setTimeout(resolve, 20);
  });
  for (let i = 0; i < 3; i++) {
    collectGarbage();
    await turn();
  }
  return made.filter((ref) => ref.deref() !== undefined).length;
}

const held: string[] = [];
await run(() =>
  withTaskGroup(async (group) => {
    for (const [name, kind] of Object.entries(kinds)) {
      const made: WeakRef<Task>[] = [];
      while (made.length < many) await kind(group, (task) => made.push(new WeakRef(task)));
      const left = await alive(made);
      if (left > mayStay) held.push(`${name}: ${left} of ${made.length}`);
    }
  }),
);
console.log(held.length === 0 ? "all collected" : `held: ${held.join(", ")}`);
process.exitCode = held.length === 0 ? 0 : 1;
