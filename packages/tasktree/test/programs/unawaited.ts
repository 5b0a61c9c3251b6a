/** Promises that nobody handles: tells of each scenario how it ended, and what the runtime reported unhandled. */
import {
  checkpoint,
  currentTask,
  openTaskGroup,
  run,
  select,
  Semaphore,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
  type Scope,
  type TaskGroup,
} from "../../src/index.ts";

async function fails(message: string): Promise<never> {
  await checkpoint();
  throw new Error(message);
}

function throwing(): never {
  throw new Error("callback");
}

/** Some turns of the event loop, after which a runtime has reported what it has to. */
async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setTimeout(resolve, 1));
}

async function withoutRun(scenario: () => Promise<void>): Promise<string> {
  const reported: string[] = [];
  const listen = (error: unknown): void => void reported.push(String(error));
  process.on("unhandledRejection", listen);
  await scenario();
  await turns();
  process.off("unhandledRejection", listen);
  return reported.length === 0 ? "nothing reported" : reported.join(", ");
}

function inRun(scenario: (group: TaskGroup) => unknown): Promise<string> {
  const main = (): Promise<void> =>
    withTaskGroup(async (group) => {
      await scenario(group);
      await turns();
      await checkpoint();
    });
  return run(main).then(
    () => "fine",
    (error: unknown) => `rejected: ${(error as Error).message}`,
  );
}

const scenarios: Record<string, () => Promise<string>> = {
  "cancellations without a run": () =>
    withoutRun(async () => {
      const semaphore = new Semaphore(0, { max: 1 });
      const open = openTaskGroup();
      const running = open.spawn(sleepForever);
      const calls: ((scope: Scope) => unknown)[] = [
        () => sleep(9),
        () => sleepForever(),
        () => semaphore.acquire(),
        () => running.then(),
        () => running.then(() => {}),
        () => running.outcome(),
        () => open.join(),
        () => open.start(sleepForever),
        (scope) => scope.waitDraining(),
        () => withTaskGroup(sleepForever),
        () => withCancelScope(sleepForever),
      ];
      for (const call of calls) {
        for (const when of ["during", "before"]) {
          await withCancelScope(async (scope) => {
            if (when === "during") void call(scope);
            scope.cancel();
            if (when === "before") void call(scope);
            await checkpoint();
          });
        }
      }
      running.cancel();
      void running.then(() => {});
      await open[Symbol.asyncDispose]();
    }),
  "cancelled work without a run": () =>
    withoutRun(async () => {
      const open = openTaskGroup();
      void open.start(sleepForever);
      open.cancel();
      void withTaskGroup(async (group) => {
        group.cancel();
        await checkpoint();
      });
      await open[Symbol.asyncDispose]();
    }),
  "failures without a run": () =>
    withoutRun(async () => {
      await withTaskGroup(async (group) => {
        const task = group.spawn(() => fails("known"));
        void task.then();
        void task.then(() => {});
        void task.outcome();
        void select({ task });
        await task;
      }).catch(() => {});
    }),
  "callback of a task that is running": () => inRun((group) => void group.spawn(checkpoint).then(throwing)),
  "callback of a task that is ended": () => inRun((group) => void group.spawn(() => {}).then(throwing)),
  "callback of a task that is unwinding": () =>
    inRun(async (group) => {
      const task = group.spawn(() => {});
      await withCancelScope(async (scope) => {
        scope.cancel();
        await checkpoint().catch(() => {});
        void task.then(throwing);
      });
    }),
  "attempt that is running": () => inRun((group) => void group.attempt(() => fails("attempt")).then(() => {})),
  "attempt that is ended": () =>
    inRun(async (group) => {
      const task = group.attempt(() => fails("attempt"));
      await turns();
      void task.then(() => {});
    }),
  "awaiting oneself": () => inRun(() => void currentTask()!.then(() => {})),
};

for (const [name, scenario] of Object.entries(scenarios)) console.log(`${name}: ${await scenario()}`);
