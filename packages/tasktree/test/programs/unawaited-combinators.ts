/** Combinators that fail and that nobody awaits: tells of each how its run ended, and how often the runtime reported something. */
import {
  all,
  any,
  checkpoint,
  mapConcurrent,
  Mutex,
  race,
  run,
  sleep,
  sleepForever,
  withTaskGroup,
  type Task,
} from "../../src/index.ts";
import { runtime } from "../runtime.ts";

const failure = new Error("lost?");

async function fails(): Promise<never> {
  await sleep(1);
  throw failure;
}

function ignore(): void {}

const calls: Record<string, () => PromiseLike<unknown>> = {
  race: () => race([fails, () => sleep(9)]),
  "race with onLoser": () => race([fails, () => sleep(9)], { onLoser: ignore }),
  any: () => any([fails]),
  "any with onLoser": () => any([fails], { onLoser: ignore }),
  all: () => all([fails, () => sleep(9)]),
  "all with a limit": () => all([fails, () => sleep(9)], { limit: 1 }),
  "a step": () => mapConcurrent([1], fails, { limit: 1 }).next(),
  "a group": () => withTaskGroup((group) => void group.spawn(fails)),
};

/** Some turns of the event loop, after which a runtime has reported what it has to. */
async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setTimeout(resolve, 2));
}

let reported = 0;
const count = (): void => void reported++;

function told(name: string, how: string): void {
  console.log(`${name}: ${how}, ${reported} seen`);
  reported = 0;
}

// What belongs to no task, as everything does on Bun, is left to whoever listens.
if (runtime !== "bun") process.on("unhandledRejection", count);

function lost(error: unknown): string {
  const errors = error instanceof AggregateError ? error.errors : [error];
  return errors.length === 1 && errors[0] === failure ? "rejected with it" : `rejected with ${String(error)}`;
}

for (const [name, call] of Object.entries(calls)) {
  const main = async (): Promise<void> => {
    void call();
    await turns();
    await checkpoint();
  };
  told(name, await run(main).then(() => "fine", lost));
}

process.off("unhandledRejection", count);
process.on("unhandledRejection", count);
/** What a group around has already, and brings on. */
for (const [name, call] of Object.entries({ race, all } as Record<
  string,
  (jobs: (() => unknown)[]) => Promise<unknown>
>)) {
  await withTaskGroup(async (group) => {
    const task = group.spawn(fails);
    void call([async () => await task]);
    await turns();
  }).catch(ignore);
  await turns();
  told(`${name} of what fails the group around`, "caught");
}

process.off("unhandledRejection", count);
/** A service that its group has ended: whoever waits for it from elsewhere has failed, and is not being cancelled. */
const waitsForIt: Record<string, (fn: () => Promise<void>) => unknown> = {
  "with of a mutex": (fn) => new Mutex().with(fn),
  race: (fn) => race([fn]),
  all: (fn) => all([fn]),
  "a step": (fn) => mapConcurrent([0], fn, { limit: 1 }).next(),
};

for (const [name, call] of Object.entries(waitsForIt)) {
  const main = async (): Promise<void> => {
    let service: Task | undefined;
    await withTaskGroup((group) => {
      service = group.spawn(() => sleepForever(), { service: true });
    });
    void call(async () => void (await service));
    await turns();
    await checkpoint();
  };
  const how = await run(main).then(
    () => "fine",
    (error: Error) => `rejected for ${error.message.split(" ")[1]}`,
  );
  console.log(`${name} of somebody else's task: ${how}`);
}
