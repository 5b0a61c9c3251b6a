/** Libraries that know nothing of tasktree, under tasktree/ambient/register. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import got from "got";
import ky from "ky";
import PQueue from "p-queue";
import { rejection } from "../../test/rejection.ts";
import { skipOn } from "../../test/runtime.ts";
import { WebServer } from "../../test/web-server.ts";
import { failAfter, moveOnAfter, sleep, TimeoutError, withCancelScope, withTaskGroup } from "../index.ts";
import { bound } from "../lowlevel.ts";
import { register } from "./index.ts";

describe(
  "libraries under tasktree/ambient/register",
  skipOn({ bun: "named imports of modules do not follow", deno: "named imports of modules do not follow" }),
  () => {
    const clients: Record<string, (url: string) => Promise<string>> = {
      got: (url) => got(url).text(),
      ky: (url) => ky(url).text(),
    };

    for (const [name, ask] of Object.entries(clients)) {
      describe(`${name} under register`, () => {
        test(`C6a ${name} is cancelled by failAfter while it waits for an answer, and its socket closed`, async () => {
          await using server = await WebServer.start();
          using _registration = register();
          const error = await rejection(failAfter(200, () => ask(`${server.url}/never`)));
          assert.ok(error instanceof TimeoutError);
          assert.equal(server.opened, 1, "it does not try again");
          await server.allClosed();
        });

        test(`C6a ${name} is cancelled by failAfter while it reads an answer, and its socket closed`, async () => {
          await using server = await WebServer.start();
          using _registration = register();
          const error = await rejection(failAfter(200, () => ask(`${server.url}/half`)));
          assert.ok(error instanceof TimeoutError);
          await server.allClosed();
        });

        test(`${name} gives answers, in scopes and outside, and in the cleanup of a cancelled one`, async () => {
          await using server = await WebServer.start();
          using _registration = register();
          assert.equal(await ask(`${server.url}/answer`), "answer");
          assert.equal(await failAfter(10_000, () => ask(`${server.url}/answer`)), "answer");
          let cleanup: unknown;
          await moveOnAfter(200, async () => {
            try {
              await ask(`${server.url}/never`);
            } finally {
              cleanup = await ask(`${server.url}/answer`);
            }
          });
          assert.equal(cleanup, "answer");
        });

        test(`${name} without register is not cancelled: its scope waits for it`, async () => {
          await using server = await WebServer.start();
          let over = false;
          const scope = withCancelScope(async (scope) => {
            setTimeout(() => scope.cancel(), 10);
            return await ask(`${server.url}/late`);
          }).finally(() => (over = true));
          await server.requested();
          await pause(50);
          assert.equal(over, false);
          server.answerLate();
          assert.equal(await scope, "late");
        });
      });
    }

    /** As many libraries do it: whoever has finished a job starts the next, in its own context. */
    class SimpleQueue {
      readonly #jobs: (() => Promise<void>)[] = [];
      #running = false;

      add<T>(job: () => Promise<T>): Promise<T> {
        return new Promise((resolve, reject) => {
          this.#jobs.push(() => job().then(resolve, reject));
          if (!this.#running) void this.#run();
        });
      }

      async #run(): Promise<void> {
        this.#running = true;
        for (let job = this.#jobs.shift(); job !== undefined; job = this.#jobs.shift()) await job();
        this.#running = false;
      }
    }

    describe("queues of jobs under register", () => {
      type Job<T> = () => Promise<T>;

      /** Cancels a task whose job is done while that of another runs; gives what became of the other's. */
      async function secondJob(
        queue: { add<T>(job: Job<T>): Promise<T> },
        wrap = <T>(job: Job<T>) => job,
      ): Promise<string> {
        using _registration = register();
        return await withTaskGroup(async (group) => {
          const first = group.spawn(async () => {
            await queue.add(wrap(() => pause(10)));
            await sleep(60_000);
          });
          const begun = Promise.withResolvers<void>();
          const job = (): Promise<string> => {
            begun.resolve();
            return pause(100, "second").catch((error: Error) => error.name);
          };
          const second = group.spawn(() => queue.add(wrap(job)));
          await begun.promise;
          await pause(10);
          first.cancel();
          return await second;
        });
      }

      test("a job of p-queue belongs to the task that has added it", async () => {
        assert.equal(await secondJob(new PQueue({ concurrency: 1 })), "second");
      });

      test("a queue that runs jobs in the context of whoever came before cuts them with that task, which is a limit", async () => {
        assert.equal(await secondJob(new SimpleQueue()), "AbortError");
      });

      test("a job that is bound() where it is added belongs to the task that has added it, in any queue", async () => {
        assert.equal(await secondJob(new SimpleQueue(), bound), "second");
      });
    });
  },
);
