/** Everything that is proved. */
import type { Primitive, Program } from "./prove.ts";
import { barriers } from "./subjects/barrier.ts";
import { broadcasts } from "./subjects/broadcast.ts";
import { capacityLimiters } from "./subjects/capacity-limiter.ts";
import { channels } from "./subjects/channel.ts";
import { combined } from "./subjects/combine.ts";
import { conditions } from "./subjects/condition.ts";
import { core } from "./subjects/core.ts";
import { latches } from "./subjects/latch.ts";
import { memoryQueues } from "./subjects/memory-queue.ts";
import { mutexes } from "./subjects/mutex.ts";
import { selects } from "./subjects/select.ts";
import { semaphores } from "./subjects/semaphore.ts";

export const primitives: readonly Primitive[] = [
  mutexes,
  semaphores,
  capacityLimiters,
  latches,
  conditions,
  barriers,
  channels,
  broadcasts,
  selects,
  memoryQueues,
  ...combined,
  ...core,
];

/** @throws {RangeError} If there is none of that name. */
export function programNamed(name: string): Program {
  const program = primitives.flatMap(({ programs }) => programs).find((one) => one.name === name);
  if (program === undefined) throw new RangeError(`Cannot prove '${name}': there is no such program`);
  return program;
}
