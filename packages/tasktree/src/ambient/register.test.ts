/** tasktree/ambient/register: the platform's own functions obey the scope around. */
import assert from "node:assert/strict";
import childProcess, { exec, execFile } from "node:child_process";
import events, { EventEmitter, once } from "node:events";
import fs, { readFile as readFileCallback } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import http, { Agent } from "node:http";
import net from "node:net";
import timersPromises, { setTimeout as pause } from "node:timers/promises";
import tls from "node:tls";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { promisify } from "node:util";
import { program, runFile } from "../../test/child.ts";
import { rejection } from "../../test/rejection.ts";
import { runtime, skipOn } from "../../test/runtime.ts";
import { WebServer } from "../../test/web-server.ts";
import { InvalidStateError, isCancelled, moveOnAfter, now, sleep, withCancelScope, withTaskGroup } from "../index.ts";
import { explore, runVirtual } from "../testing/index.ts";
import { events as ambientEvents, register, timers } from "./index.ts";

const folder = mkdtempSync(join(tmpdir(), "tasktree-register-"));
after(() => rmSync(folder, { recursive: true }));

test("register() refuses where named imports cannot follow, and says what to do", () => {
  if (runtime === "node") return register().unregister();
  assert.throws(register, (error) => error instanceof InvalidStateError && /import what you call/.test(error.message));
});

describe(
  "tasktree/ambient/register",
  skipOn({ bun: "named imports of modules do not follow", deno: "named imports of modules do not follow" }),
  () => {
    describe("registering", () => {
      test("A2 puts functions in the place of the platform's, which come back", () => {
        const before = [fetch, pause, once, readFile, exec, http.request, events.once, fs.readFile];
        const registration = register();
        const during = [fetch, pause, once, readFile, exec, http.request, events.once, fs.readFile];
        assert.ok(during.every((fn, n) => fn !== before[n] && fn.name === before[n]!.name));
        registration.unregister();
        registration.unregister();
        assert.deepEqual([fetch, pause, once, readFile, exec, http.request, events.once, fs.readFile], before);
        assert.equal(Object.hasOwn(timersPromises.scheduler, "wait"), false);
      });

      test("lasts until each registration is taken back", async () => {
        const first = register();
        {
          using _second = register();
        }
        assert.equal(await moveOnAfter(10, () => pause(5000, "late")), undefined);
        first.unregister();
        assert.equal(await moveOnAfter(10, () => pause(30, "platform's")), "platform's");
      });

      test("leaves what somebody has kept as the platform's, once it is taken back", async () => {
        const registration = register();
        const kept = timersPromises.setTimeout;
        registration.unregister();
        assert.equal(await moveOnAfter(10, () => kept(30, "platform's")), "platform's");
      });

      test("does not take away what somebody has put in place meanwhile", () => {
        const before = globalThis.fetch;
        const registration = register();
        const other = (async () => {}) as never;
        globalThis.fetch = other;
        registration.unregister();
        assert.equal(globalThis.fetch, other);
        globalThis.fetch = before;
      });

      test("changes nothing outside of scopes", async () => {
        using _registration = register();
        const emitter = new EventEmitter();
        const came = once(emitter, "come");
        emitter.emit("come", 1);
        assert.deepEqual(await came, [1]);
        assert.equal(await pause(1, "value"), "value");
        assert.equal((await promisify(exec)("echo hello")).stdout, "hello\n");
      });

      test("does not count calls of the imports twice", () =>
        withCancelScope(async () => {
          using _registration = register();
          assert.equal(await timers.setTimeout(1, "value"), "value");
          assert.equal(await moveOnAfter(10, () => ambientEvents.once(new EventEmitter(), "never")), undefined);
        }));
    });

    describe("code that knows nothing of tasktree", () => {
      const large = join(folder, "large");
      writeFileSync(large, "");
      truncateSync(large, 1e9);

      const waits: Record<string, () => Promise<unknown>> = {
        "setTimeout of node:timers/promises": () => pause(60_000),
        "setTimeout, promisified": () => promisify(setTimeout)(60_000),
        "scheduler.wait": () => timersPromises.scheduler.wait(60_000),
        "events.once": () => once(new EventEmitter(), "never"),
        "EventEmitter.once": () => EventEmitter.once(new EventEmitter(), "never"),
        "readFile of node:fs/promises": () => readFile(large),
        "readFile of fs.promises": () => fs.promises.readFile(large),
        "readFile of node:fs, with a callback": () =>
          new Promise((resolve, reject) => {
            readFileCallback(large, (error, data) => (error === null ? resolve(data) : reject(error)));
          }),
        "readFile of node:fs, promisified": () => promisify(readFileCallback)(large, "latin1"),
        "exec, promisified": () => promisify(exec)("exec sleep 60"),
        "execFile with a callback": () =>
          new Promise((resolve, reject) => {
            execFile("sleep", ["60"], (error) => (error === null ? resolve(0) : reject(error)));
          }),
        "spawn, awaited by its events": () => once(childProcess.spawn("sleep", ["60"]), "close"),
      };

      for (const [name, wait] of Object.entries(waits)) {
        test(`C6a ${name} is cut by a deadline, and code after it can clean up`, async () => {
          using _registration = register();
          let caught: unknown;
          let cleanup: unknown;
          const value = await moveOnAfter(30, async () => {
            try {
              await wait();
            } catch (error) {
              caught = error;
              throw error;
            } finally {
              cleanup = await pause(1, "cleanup");
            }
          });
          assert.equal(value, undefined);
          assert.equal((caught as Error).name, "AbortError");
          assert.equal(cleanup, "cleanup");
        });
      }

      test("C3a a file is not written in a cancelled scope", async () => {
        using _registration = register();
        const file = join(folder, "never");
        await withCancelScope(async (scope) => {
          scope.cancel();
          assert.ok(isCancelled(await rejection(writeFile(file, "x"))));
        });
        assert.equal(fs.existsSync(file), false);
      });
    });

    describe("sockets under register", () => {
      test("A2 are left alone", () => {
        const before = [net.connect, net.createConnection, tls.connect, WebSocket];
        using _registration = register();
        assert.deepEqual([net.connect, net.createConnection, tls.connect, WebSocket], before);
      });

      test("A2 of a pool serve the others, when the task is cancelled in whose context they were made", async () => {
        await using server = await WebServer.start();
        using _registration = register();
        const agent = new Agent({ keepAlive: true, maxSockets: 1 });
        const ask = (): Promise<string> =>
          new Promise((resolve, reject) => {
            const request = http.get(`${server.url}/answer`, { agent }, (response) => {
              response.resume();
              response.on("end", () => resolve("answer"));
            });
            request.on("error", reject);
          });
        for (const way of [ask, async () => (await fetch(`${server.url}/answer`)).text()]) {
          await withTaskGroup(async (group) => {
            const first = group.spawn(async () => {
              await way();
              await sleep(60_000);
            });
            await sleep(50);
            const { opened } = server;
            first.cancel();
            assert.equal(await group.spawn(way), "answer");
            assert.equal(server.opened, opened);
          });
        }
        agent.destroy();
      });
    });

    describe("register and virtual time", () => {
      const inVirtualTime = (): Promise<unknown> =>
        runVirtual(
          async () => {
            assert.equal(await pause(3_600_000, "an hour"), "an hour");
            assert.equal(await moveOnAfter(1000, () => pause(5000, "late")), undefined);
            assert.equal(await moveOnAfter(1000, () => timers.setTimeout(5000, "late")), undefined);
            return now();
          },
          { platform: true },
        );

      test("go together, whichever came first", async () => {
        const before = [pause, setTimeout];
        const registration = register();
        assert.equal(await inVirtualTime(), 3_602_000);
        const running = inVirtualTime();
        registration.unregister();
        using _other = register();
        assert.equal(await running, 3_602_000);
        _other.unregister();
        assert.deepEqual([pause, setTimeout], before);
      });

      test("the imports go by virtual time without register", () =>
        runVirtual(
          async () => {
            assert.equal(await moveOnAfter(1000, () => timers.setTimeout(5000, "late")), undefined);
            assert.equal(await timers.setTimeout(1000, "value"), "value");
            assert.equal(now(), 2000);
          },
          { platform: true },
        ));

      test("an exploration goes through programs that obey", async () => {
        using _registration = register();
        await explore(
          async () => {
            const seen: string[] = [];
            await withTaskGroup(async (group) => {
              group.spawn(async () => {
                const value = await moveOnAfter(10, () => pause(1000, "late"));
                seen.push(value ?? "cut");
              });
              group.spawn(async () => {
                seen.push(await pause(5, "on time"));
              });
            });
            assert.deepEqual(seen.toSorted(), ["cut", "on time"]);
          },
          { schedules: 20 },
        );
      });
    });

    describe("node --import tasktree/ambient/register", () => {
      test("makes a program obey from its first line, and can be taken back in it", async () => {
        const { code, stdout, stderr } = await runFile(program("registered.ts"), [], {
          env: { NODE_OPTIONS: "--conditions=@tasktree/source --import tasktree/ambient/register" },
          cwd: join(import.meta.dirname, "../.."),
        });
        assert.deepEqual([code, stdout, stderr], [0, "cut\nplatform's\n", ""]);
      });
    });
  },
);
