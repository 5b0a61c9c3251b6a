/** The types of the everyday door. Checked by the compiler alone: nothing here runs. */
import {
  abandonOnCancel,
  all,
  allSettled,
  any,
  asCompleted,
  currentScope,
  currentTask,
  failAfter,
  failAt,
  isCancelled,
  mapConcurrent,
  moveOnAfter,
  moveOnAt,
  openTaskGroup,
  outside,
  race,
  run,
  runMain,
  Semaphore,
  shield,
  sleepForever,
  suppressedErrors,
  TaskLocal,
  TimeoutError,
  withCancelScope,
  withTaskGroup,
  type CancelledError,
  type CancelWhy,
  type Condition,
  type Outcome,
  type Permit,
  type Scope,
  type Task,
  type TaskGroup,
} from "./index.ts";

/** Whether two types are the same: each fits the other, and `any` is only the same as itself. */
type Same<A, B> = [A, IsAny<A>] extends [B, IsAny<B>] ? ([B, IsAny<B>] extends [A, IsAny<A>] ? true : false) : false;
type IsAny<T> = 0 extends 1 & T ? true : false;

/** `is<Type>()(value)` compiles only if the value's type is exactly that. */
declare function is<Expected>(): <Actual>(
  value: Actual & (Same<Actual, Expected> extends true ? unknown : never),
) => void;

declare const group: TaskGroup;
declare const task: Task<number>;
declare const promise: Promise<number>;
declare const options: { readonly name?: string };

// --- run

is<Promise<number>>()(run(() => 1));
is<Promise<number>>()(run(async () => 1));
is<Promise<number | undefined>>()(runMain(async () => 1));
is<Promise<void>>()(run(() => {}));
// @ts-expect-error a promise has already started
void run(promise);
// @ts-expect-error likewise
void run(() => 1, { onStuck: "ignore" });

// --- tasks

is<Task<string>>()(group.spawn(() => "text"));
is<Task<string>>()(group.spawn(async () => "text", { name: "reader", service: true }));
is<Task<number>>()(group.spawn(() => task));
is<Task<string> | undefined>()(group.trySpawn(() => "text"));
is<Task<never>>()(group.attempt(sleepForever));
is<Promise<number>>()(group.start((started: (value: number) => void) => started(1)));
is<Promise<void>>()(group.start((started) => started()));
is<number>()(await task);
is<Promise<number>>()(Promise.resolve(task));
is<Promise<Outcome<number>>>()(task.outcome());
is<PromiseLike<string>>()(task.then((value) => value.toFixed()));
is<"running" | "ok" | "failed" | "cancelled">()(task.status);
task.onEnd((outcome) => {
  if (outcome.status === "ok") is<number>()(outcome.value);
  if (outcome.status === "failed") is<unknown>()(outcome.error);
});
// a task of something is a task
const anyTask: Task = task;
void anyTask;
// @ts-expect-error a promise has already started
group.spawn(promise);
// @ts-expect-error likewise
group.spawn(sleepForever());
// @ts-expect-error likewise
group.attempt(promise);
// @ts-expect-error likewise
group.trySpawn(promise);
// @ts-expect-error likewise
void group.start(promise);
// @ts-expect-error an attempt cannot be a service: nobody would await it
group.attempt(() => 1, { service: true });
// @ts-expect-error a function that wants arguments
group.spawn((path: string) => path);

// --- groups and scopes

is<Promise<number>>()(withTaskGroup(() => 1));
is<Promise<number>>()(withTaskGroup(async (group) => await group.spawn(() => 1), { failures: "collect" }));
is<Promise<number | undefined>>()(withCancelScope(() => 1));
is<Promise<number | undefined>>()(withCancelScope(async () => 1, { deadline: 5, grace: 0, name: "page" }));
is<Promise<number | undefined>>()(moveOnAfter(1, async () => 1));
is<Promise<number | undefined>>()(moveOnAt(1, () => 1));
is<Promise<undefined>>()(moveOnAfter(1, sleepForever));
is<Promise<number>>()(failAfter(1, async () => 1));
is<Promise<number>>()(failAt(1, () => 1));
is<Promise<number>>()(shield(async () => 1, { timeout: 10 }));
is<Promise<number>>()(abandonOnCancel(promise, { onLate: (value) => is<number>()(value) }));
is<number>()(outside(() => 1));
is<Promise<number>>()(outside(async () => 1));
void withCancelScope((scope) => is<Scope>()(scope));
void moveOnAfter(1, (scope) => is<Scope>()(scope));
void withTaskGroup((group) => is<TaskGroup>()(group));
is<Scope>()(currentScope());
is<Task | undefined>()(currentTask());
await using openGroup = openTaskGroup({ parent: "root" });
is<Promise<void>>()(openGroup.join());
// @ts-expect-error the timeout must be written
void shield(() => 1);
// @ts-expect-error likewise
void shield(() => 1, {});
// @ts-expect-error likewise
void withTaskGroup(promise);
// @ts-expect-error likewise
void withCancelScope(promise);
// @ts-expect-error likewise
void moveOnAfter(1, promise);
// @ts-expect-error likewise
void failAfter(1, promise);
// @ts-expect-error likewise
void shield(promise, { timeout: 1 });
// @ts-expect-error a function would not be waited for
void abandonOnCancel(() => promise);
// @ts-expect-error likewise
void withTaskGroup(() => 1, { failures: "ignore" });
// @ts-expect-error what says how a scope is doing is not to be set
currentScope().cancelRequested = true;
currentScope().deadline = Infinity;

// --- all

is<Promise<[string, number]>>()(all([() => "text", async () => 1]));
is<Promise<[]>>()(all([]));
is<Promise<number[]>>()(all([1, 2].map((n) => () => n)));
declare const setOfJobs: Set<() => number | Promise<number>>;
is<Promise<number[]>>()(all(setOfJobs, { limit: 2 }));
is<Promise<{ user: string; posts: number }>>()(all({ user: async () => "ada", posts: () => 3 }));
declare const record: Record<string, () => Promise<number>>;
is<Promise<{ [x: string]: number }>>()(all(record));
declare const jobs: readonly [() => string, () => Promise<Date>];
is<Promise<[string, Date]>>()(all(jobs));
// @ts-expect-error promises have already started
void all([promise, promise]);
// @ts-expect-error likewise
void all({ user: promise });
// @ts-expect-error likewise
void all(new Set([promise]));

// --- race

is<Promise<string | number>>()(race([() => "text", async () => 1]));
is<Promise<number>>()(race([sleepForever, () => 1]));
is<Promise<number>>()(race(setOfJobs, { onLoser: (value) => is<number>()(value) }));
is<Promise<number>>()(race([1, 2].map((n) => () => n)));
void race([() => "text", async () => 1], { onLoser: (value) => is<string | number>()(value) });
// @ts-expect-error likewise
void race([promise, () => 1]);
// @ts-expect-error likewise
void race(promise);

// --- allSettled, any, asCompleted

declare const later: AsyncIterable<() => Promise<number>>;
is<Promise<[PromiseSettledResult<string>, PromiseSettledResult<number>]>>()(allSettled([() => "text", async () => 1]));
is<Promise<{ user: PromiseSettledResult<string> }>>()(allSettled({ user: async () => "ada" }, { limit: 1 }));
is<Promise<PromiseSettledResult<number>[]>>()(allSettled(setOfJobs));
is<Promise<PromiseSettledResult<number>[]>>()(allSettled(later, { limit: 1 }));
is<Promise<number[]>>()(all(later, { limit: 1 }));
// @ts-expect-error promises have already started
void allSettled([promise]);
// @ts-expect-error likewise
void allSettled({ user: promise });
is<Promise<string | number>>()(any([() => "text", async () => 1], { limit: 1 }));
is<Promise<number>>()(any(setOfJobs, { onLoser: (value) => is<number>()(value) }));
// @ts-expect-error likewise
void any([promise]);
is<AsyncGenerator<string | number, void, undefined>>()(asCompleted([() => "text", async () => 1], { limit: 1 }));
is<AsyncGenerator<number, void, undefined>>()(asCompleted(setOfJobs));
is<AsyncGenerator<number, void, undefined>>()(asCompleted(later, { limit: 1 }));
for await (const entry of asCompleted({ user: async () => "ada", posts: () => 3 })) {
  is<[key: "user", value: string] | [key: "posts", value: number]>()(entry);
  if (entry[0] === "user") is<string>()(entry[1]);
}
// @ts-expect-error likewise
asCompleted([promise]);
// @ts-expect-error likewise
asCompleted({ user: promise });

// --- mapConcurrent

for await (const value of mapConcurrent([1, 2], async (n, index) => `${n.toFixed()} ${index.toFixed()}`, {
  limit: 1,
})) {
  is<string>()(value);
}
declare const lines: AsyncIterable<string>;
for await (const value of mapConcurrent(lines, (line) => line.length, { limit: 1, ordered: false }))
  is<number>()(value);
// @ts-expect-error the limit must be written
mapConcurrent([1], (n) => n);
// @ts-expect-error likewise
mapConcurrent([1], (n) => n, { ordered: true });
// @ts-expect-error likewise
mapConcurrent(5, (n) => n, { limit: 1 });
// @ts-expect-error likewise
mapConcurrent([1], (n: string) => n, { limit: 1 });

// --- task locals

is<string>()(new TaskLocal({ default: "nobody" }).get());
is<string>()(new TaskLocal<string>({ default: "nobody", name: "user" }).get());
is<string | undefined>()(new TaskLocal<string | undefined>().get());
is<number>()(new TaskLocal({ default: "nobody" }).run("ada", () => 1));
is<Promise<number>>()(new TaskLocal({ default: "nobody" }).run("ada", async () => 1));
// @ts-expect-error without a default there is no string where nothing was set
new TaskLocal<string>();
// @ts-expect-error likewise
new TaskLocal<string>({ name: "user" });
// @ts-expect-error likewise
new TaskLocal({ default: "nobody" }).run(5, () => 1);
// @ts-expect-error likewise
new TaskLocal({ default: "nobody" }).run("ada", promise);

// --- semaphores

const semaphore = new Semaphore(1, { name: "database", ...options });
is<Promise<Permit>>()(semaphore.acquire());
is<Permit | undefined>()(semaphore.tryAcquire());
is<Promise<number>>()(semaphore.with(async () => 1));
{
  using permit = await semaphore.acquire();
  is<Permit>()(permit);
}
// @ts-expect-error likewise
void semaphore.with(promise);
// @ts-expect-error how many are free is for the semaphore to say
semaphore.free = 5;

declare const condition: Condition;
is<Promise<string>>()(condition.waitFor(() => new Map<string, string>().get("key")));
is<Promise<true>>()(condition.waitFor(() => Math.random() > 0.5));

// --- errors

declare const error: unknown;
if (isCancelled(error)) {
  is<CancelledError>()(error);
  is<CancelWhy>()(error.why);
}
if (error instanceof TimeoutError) is<number>()(error.deadline);
is<unknown[]>()(suppressedErrors(error));
