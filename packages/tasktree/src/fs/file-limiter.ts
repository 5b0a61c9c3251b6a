import { CapacityLimiter } from "../sync/capacity-limiter.ts";

/**
 * How many calls of `tasktree/fs` go on at once in this process: 64, unless `total` is set. Others wait in line, where a
 * cancellation reaches them, as it would not in the line of the platform's threads (4, unless `UV_THREADPOOL_SIZE` is set).
 *
 * A token stands for a call, not for an open file: `readFile`, and `writeFileAtomic` of bytes or a string, hold one while they have
 * their file open, so that any number of them needs 64 descriptors. What `openFile` has opened holds none: a task that holds one
 * file open and wants another would wait for itself. `borrowers()` names the calls in progress, also those that nobody waits for any more.
 *
 * @example
 * ```ts
 * import { all } from "tasktree";
 * import { fileLimiter, readText } from "tasktree/fs";
 * import assert from "node:assert";
 * fileLimiter.total = 8;
 * const read = () => readText(import.meta.filename);
 * const texts = await all(Array.from({ length: 100 }, () => read));
 * assert.equal(new Set(texts).size, 1);
 * assert.deepEqual(fileLimiter.statistics(), { total: 8, borrowed: 0, waiting: 0 });
 * ```
 */
export const fileLimiter: CapacityLimiter = new CapacityLimiter(64, { name: "files" });
