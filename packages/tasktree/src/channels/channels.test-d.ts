/** The types of channels, broadcasts and `select`. Checked by the compiler alone: nothing here runs. */
import {
  after,
  at,
  Broadcast,
  Channel,
  Latch,
  select,
  trySelect,
  type Receiver,
  type Sender,
  type Subscription,
  type Task,
} from "../index.ts";
import type { Selectable } from "../lowlevel.ts";

/** Whether two types are the same. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

/** `is<Type>()(value)` compiles only if the value's type is exactly that. */
declare function is<Expected>(): <Actual>(
  value: Actual & (Same<Actual, Expected> extends true ? unknown : never),
) => void;

declare const jobs: Channel<{ id: number }>;
declare const names: Receiver<string>;
declare const sender: Sender<string>;
declare const prices: Subscription<bigint>;
declare const task: Task<Date>;

// --- channels

is<Promise<{ id: number }>>()(jobs.receive());
is<{ readonly value: string } | undefined>()(names.tryReceive());
is<Promise<void>>()(sender.send("text"));
is<boolean>()(sender.trySend("text"));
is<Sender<string>>()(sender.clone());
is<Receiver<{ id: number }>>()(jobs.receiver());
for await (const job of jobs) is<{ id: number }>()(job);
for await (const name of names) is<string>()(name);
for await (const price of prices) is<bigint>()(price);
// @ts-expect-error the item must fit
void jobs.send("text");
// @ts-expect-error the capacity must be written
void new Channel<string>();

// --- broadcasts

is<Subscription<string>>()(new Broadcast<string>().subscribe({ capacity: 1, whenFull: "fail" }));
// @ts-expect-error what happens when it is full must be said
new Broadcast<string>().subscribe({ capacity: 1 });
// @ts-expect-error and must be one of the three
new Broadcast<string>().subscribe({ capacity: 1, whenFull: "drop" });

// --- select

const came = await select({ job: jobs, name: names, sent: sender.sending("a"), price: prices, task, late: after(5) });
is<"job" | "name" | "sent" | "price" | "task" | "late">()(came.key);
if (came.key === "job") is<{ id: number }>()(came.value);
else if (came.key === "name") is<string>()(came.value);
else if (came.key === "sent") is<void>()(came.value);
else if (came.key === "price") is<bigint>()(came.value);
else if (came.key === "task") is<Date>()(came.value);
else is<undefined>()(came.value);

is<{ readonly key: "stop"; readonly value: void } | undefined>()(trySelect({ stop: new Latch() }));
is<Promise<{ readonly key: "time"; readonly value: undefined }>>()(select({ time: at(5) }, { ordered: true }));

declare const either: Channel<string> | Channel<number>;
is<string | number>()((await select({ either })).value);
declare const many: Record<string, Channel<string>>;
is<{ readonly key: string; readonly value: string }>()(await select(many));
const selectable: Selectable<string> = names;
is<string>()((await select({ selectable })).value);

// @ts-expect-error a promise has no line to leave
void select({ wrong: jobs.receive() });
// @ts-expect-error a function is no case
void select({ wrong: () => 1 });
// @ts-expect-error nor is any object
void select({ wrong: {} });
