/** Races that only the order of continuations shows, behind libraries and in I/O that know nothing of tasktree. */
import { Effect } from "effect";
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import PQueue from "p-queue";
import { skipOn } from "../runtime.ts";
import { explore, ScheduleError, type ExploreOptions } from "../../src/testing/index.ts";

async function found(program: () => Promise<unknown>, options: ExploreOptions = {}): Promise<ScheduleError> {
  const error: unknown = await explore(program, { strategy: "random", schedules: 300, ...options }).catch(
    (error: unknown) => error,
  );
  assert.ok(error instanceof ScheduleError, `no race found: ${JSON.stringify(error)}`);
  assert.ok(error.cause instanceof assert.AssertionError, error.message);
  return error;
}

describe("explore finds races through libraries", () => {
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "tasktree-races-"));
    for (const name of ["first", "second"]) await writeFile(join(folder, name), name);
  });

  after(() => rm(folder, { recursive: true }));

  test("between two jobs of a p-queue that both check, wait and act", async () => {
    const program = async () => {
      const queue = new PQueue({ concurrency: 2 });
      let stock = 1;
      const buy = (steps: number) => async () => {
        for (let n = 0; n < steps; n++) await Promise.resolve(); // the basket is priced
        if (stock === 0) return false;
        await Promise.resolve(); // the card is charged
        stock--;
        return true;
      };
      await Promise.all([queue.add(buy(1)), queue.add(buy(4))]);
      assert.ok(stock >= 0, `${stock} in stock`);
    };
    await program(); // passes in the usual order
    await found(program);
  });

  test(
    "between what follows two reads of files: the one begun last need not end last",
    skipOn({ bun: "does not tell of pending I/O", deno: "does not tell of pending work with files" }),
    async () => {
      const program = async () => {
        let shown = "";
        const show = async (name: string) => {
          shown = await readFile(join(folder, name), "utf8");
        };
        await Promise.all([show("first"), show("second")]);
        assert.equal(shown, "second");
      };
      await found(program, { delays: 1 }); // else the disk would decide what comes first
    },
  );

  test("between a fiber of Effect's and a plain async function", async () => {
    const program = async () => {
      let balance = 100;
      const withdraw = (sum: number) => async () => {
        if (balance < sum) return;
        await Promise.resolve();
        balance -= sum;
      };
      const plain = async () => {
        for (let n = 0; n < 4; n++) await Promise.resolve();
        await withdraw(80)();
      };
      await Promise.all([Effect.runPromise(Effect.promise(withdraw(80))), plain()]);
      assert.ok(balance >= 0, `balance ${balance}`);
    };
    await program(); // passes in the usual order
    await found(program);
  });
});
