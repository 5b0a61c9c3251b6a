/** The imports of tasktree/ambient. */
import assert from "node:assert/strict";
import { EventEmitter, getEventListeners, once } from "node:events";
import { mkdtempSync, existsSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { after, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { dumpTree } from "../core/dump.ts";
import { collectGarbage } from "../../test/collect-garbage.ts";
import { rejection } from "../../test/rejection.ts";
import { WebServer } from "../../test/web-server.ts";
import {
  CancelledError,
  currentSignal,
  isCancelled,
  moveOnAfter,
  run,
  sleep,
  WorkCancelledError,
  withCancelScope,
  withTaskGroup,
  type Scope,
} from "../index.ts";
import { here, isInScope, outside } from "../lowlevel.ts";
import { events, fetch, fs, stream, timers } from "./index.ts";

const folder = mkdtempSync(join(tmpdir(), "tasktree-ambient-"));
after(() => rmSync(folder, { recursive: true }));

async function* endless(): AsyncGenerator<string> {
  for (;;) {
    await pause(1);
    yield "more";
  }
}

async function takeAll(items: AsyncIterable<unknown>): Promise<void> {
  for await (const _item of items);
}

const nobody = new EventEmitter();

/** What waits until it is cut. */
const waiting: Record<string, () => Promise<unknown>> = {
  "timers.setTimeout": () => timers.setTimeout(60_000),
  "timers.scheduler.wait": () => timers.scheduler.wait(60_000),
  "timers.setInterval": () => takeAll(timers.setInterval(60_000)),
  "events.once": () => events.once(nobody, "never"),
  "events.on": () => takeAll(events.on(nobody, "never")),
  "stream.pipeline": () => stream.pipeline(new Readable({ read() {} }), new Writable()),
  "stream.pipeline with options": () => stream.pipeline(new Readable({ read() {} }), new Writable(), { end: false }),
  "stream.finished": () => stream.finished(new Readable({ read() {} })),
  "fs.writeFile": () => fs.writeFile(join(folder, "endless"), endless(), "utf8"),
};

for (const [name, wait] of Object.entries(waiting)) {
  describe(name, () => {
    test(`C3a ${name} that is cancelled on entry is refused`, () =>
      withCancelScope(async (scope) => {
        scope.cancel();
        const error = await rejection(wait());
        assert.ok(isCancelled(error) || (error as Error).name === "AbortError", String(error));
      }));

    test(`C6a ${name} that is cancelled while it waits ends as the scope's cancellation`, async () => {
      let told: unknown;
      const value = await moveOnAfter(20, () =>
        wait().catch((error: unknown) => Promise.reject((told = error) as Error)),
      );
      assert.equal(value, undefined);
      assert.equal((told as Error).name, "AbortError");
    });

    test(`C7d ${name} works in a finally, and is cut when grace is over`, async () => {
      let begun = 0;
      let lasted = 0;
      const cleanup = async (): Promise<unknown> => {
        begun = performance.now();
        return await wait();
      };
      await withCancelScope(
        async (scope) => {
          try {
            const waited = wait();
            scope.cancel();
            await waited;
          } finally {
            await cleanup().finally(() => (lasted = performance.now() - begun));
          }
        },
        { grace: 100 },
      );
      assert.ok(lasted >= 50, `cleanup had ${lasted} ms`);
    });

    test(`${name} leaves no listener on its scope's signal`, () =>
      run(
        async () => {
          const signal = currentSignal();
          await withCancelScope(async (scope) => {
            const waited = wait();
            await Promise.resolve();
            scope.cancel();
            await waited;
          });
          assert.equal(getEventListeners(signal, "abort").length, 0);
        },
        { host: false },
      ));
  });
}

describe("outside of scopes", () => {
  test("isInScope() tells whether anything surrounds the running code", async () => {
    assert.equal(isInScope(), false);
    await withCancelScope(() => assert.equal(isInScope(), true));
    await run(() => outside(() => assert.equal(isInScope(), true)), { host: false });
  });

  test("A1 a call goes on to the platform as it came", async () => {
    const real = globalThis.fetch;
    const seen: unknown[][] = [];
    globalThis.fetch = (async (...args: unknown[]) => seen.push(args)) as never;
    try {
      const init = {};
      await fetch("http://127.0.0.1:1/", init);
      await fetch("http://127.0.0.1:1/");
      assert.equal(seen[0]![1], init);
      assert.equal(seen[1]!.length, 1);
      await withCancelScope((scope) => {
        const { signal } = scope;
        return fetch("http://127.0.0.1:1/", init).then(() => assert.deepEqual(seen[2]![1], { signal }));
      });
    } finally {
      globalThis.fetch = real;
    }
  });

  test("what is not about waiting is there too, and live", async () => {
    assert.equal(typeof fs.constants.O_RDONLY, "number");
    assert.equal(await timers.setTimeout(1, "value"), "value");
    assert.equal(await timers.setImmediate("value"), "value");
    await timers.scheduler.yield();
  });
});

describe("one delivery", () => {
  test("A1 C2c a call that was cut has told its scope: what comes next in cleanup works", async () => {
    const done: string[] = [];
    await moveOnAfter(10, async () => {
      try {
        await timers.setTimeout(60_000);
      } finally {
        done.push(await timers.setTimeout(1, "ambient"));
        await sleep(1);
        done.push("sleep");
      }
    });
    assert.deepEqual(done, ["ambient", "sleep"]);
  });

  test("C2a a scope that was not waiting is told by its first ambient call, which has no effect", async () => {
    const file = join(folder, "untouched");
    let refused: unknown;
    let second: unknown;
    await moveOnAfter(5, async () => {
      await pause(20);
      refused = await rejection(fs.writeFile(file, "x"));
      second = await timers.setTimeout(1, "cleanup");
    });
    assert.ok(refused instanceof CancelledError);
    assert.equal(second, "cleanup");
    assert.equal(existsSync(file), false);
  });

  test("C2a a call that failed by itself has told nothing: the next checkpoint throws", async () => {
    let next: unknown;
    await withCancelScope(async (scope) => {
      const missing = rejection(fs.stat(join(folder, "missing")));
      scope.cancel();
      assert.equal(((await missing) as NodeJS.ErrnoException).code, "ENOENT");
      next = await rejection(sleep(1));
    });
    assert.ok(isCancelled(next));
  });

  test("C3b what came before the cancellation is not lost", async () => {
    const emitter = new EventEmitter();
    const value = await withCancelScope(async (scope) => {
      const came = events.once(emitter, "come");
      emitter.emit("come", 7);
      scope.cancel();
      return await came;
    });
    assert.deepEqual(value, [7]);
  });

  test("C2j code that swallows the cut is cut again at the cut-off, and refused after it", async () => {
    const seen: string[] = [];
    await withCancelScope(
      async (scope) => {
        scope.cancel();
        for (let n = 0; n < 4; n++) {
          await timers.setTimeout(n === 1 ? 60_000 : 1).then(
            () => seen.push("worked"),
            (error: Error) => seen.push(error.name),
          );
        }
      },
      { grace: 50 },
    );
    assert.deepEqual(seen, ["AbortError", "AbortError", "AbortError", "AbortError"]);
  });
});

describe("the caller's own signal", () => {
  test("A1 aborts the call, which is then a failure of the scope", async () => {
    const controller = new AbortController();
    const error = await rejection(
      withCancelScope(async () => {
        setTimeout(() => controller.abort(new Error("mine")), 5);
        await timers.setTimeout(60_000, undefined, { signal: controller.signal });
      }),
    );
    assert.deepEqual([(error as Error).name, ((error as Error).cause as Error).message], ["AbortError", "mine"]);
  });

  test("A1 does not keep the scope's from it", async () => {
    const { signal } = new AbortController();
    assert.equal(await moveOnAfter(10, () => timers.setTimeout(60_000, "late", { signal })), undefined);
    assert.equal(await moveOnAfter(10, () => events.once(nobody, "never", { signal })), undefined);
    assert.equal(getEventListeners(signal, "abort").length, 0);
  });

  test("what is no signal is refused by the platform", () =>
    withCancelScope(async () => {
      const wrong = { signal: "soon" } as never;
      assert.equal(
        ((await rejection(timers.setTimeout(1, undefined, wrong))) as NodeJS.ErrnoException).code,
        "ERR_INVALID_ARG_TYPE",
      );
    }));
});

describe("100,000 calls under one scope", () => {
  /** Finalisers run in turns of their own. */
  async function settled(done: () => boolean): Promise<void> {
    for (let n = 0; n < 50 && !done(); n++) {
      collectGarbage();
      await pause(1);
    }
  }

  async function inOneScope(call: (scope: Scope) => Promise<unknown>, times = 100_000): Promise<void> {
    await withCancelScope(async (scope) => {
      for (let n = 0; n < times; n++) {
        await call(scope);
        if (n % 100 === 0) await pause(0); // what was held weakly is let go between two turns of the event loop
      }
      await settled(() => getEventListeners(scope.signal, "abort").length === 0);
      assert.equal(getEventListeners(scope.signal, "abort").length, 0);
    });
  }

  test("leave no listeners on its signal", () => {
    const emitter = new EventEmitter();
    return inOneScope(() => {
      const came = events.once(emitter, "come");
      emitter.emit("come");
      return came;
    });
  });

  test("leave nothing behind when the caller has signals too", async () => {
    const emitter = new EventEmitter();
    const call = (): Promise<unknown> => {
      const came = events.once(emitter, "come", { signal: new AbortController().signal });
      emitter.emit("come");
      return came;
    };
    await inOneScope(call, 1000);
    const before = process.memoryUsage().heapUsed;
    await inOneScope(call);
    const grown = (): number => process.memoryUsage().heapUsed - before;
    await settled(() => grown() < 5_000_000);
    assert.ok(grown() < 5_000_000, `${grown()} bytes more`);
  });

  test("of which fetch leaves none once its answers are garbage", async () => {
    await using server = await WebServer.start();
    await inOneScope(async () => {
      const answer = await fetch(`${server.url}/answer`);
      assert.equal(await answer.text(), "answer");
    }, 300);
  });
});

describe("fs", () => {
  test("what takes away begins always, and has no part in the delivery", () =>
    withCancelScope(async (scope) => {
      const file = join(folder, "temporary");
      writeFileSync(file, "x");
      scope.cancel();
      await fs.unlink(file);
      assert.equal(existsSync(file), false);
      writeFileSync(file, "x");
      await fs.rm(file);
      assert.equal(existsSync(file), false);
      assert.ok(isCancelled(await rejection(fs.stat(folder))));
    }));

  test("a string of options is an encoding", () =>
    withCancelScope(async () => {
      const file = join(folder, "text");
      await fs.writeFile(file, "676f", "hex");
      assert.equal(await fs.readFile(file, "utf8"), "go");
      assert.equal(await fs.readFile(file, { encoding: "utf8" }), "go");
      assert.equal((await fs.readFile(file)).length, 2);
    }));

  test("readFile is cut while it reads", async () => {
    const file = join(folder, "large");
    writeFileSync(file, "");
    truncateSync(file, 1e9); // without blocks on the disk
    let error: unknown;
    await moveOnAfter(10, () =>
      fs.readFile(file).catch((caught: unknown) => Promise.reject((error = caught) as Error)),
    );
    assert.equal((error as Error).name, "AbortError");
  });

  test("watch gives changes until it is cut", async () => {
    const watched = mkdtempSync(join(folder, "watched-"));
    const seen: (string | null)[] = [];
    const value = await withCancelScope(async (scope) => {
      const writing = setInterval(() => writeFileSync(join(watched, "changed"), "x"), 5);
      try {
        for await (const { filename } of fs.watch(watched)) {
          seen.push(filename);
          clearInterval(writing);
          scope.cancel();
        }
      } finally {
        clearInterval(writing);
      }
      return "over";
    });
    assert.equal(value, undefined);
    assert.equal(seen[0], "changed");
  });
});

describe("the second argument of fetch", () => {
  /** Answers with what it was asked. */
  async function echo(): Promise<{ url: string } & AsyncDisposable> {
    const server = createServer((request, response) => {
      response.write(`${request.method} ${String(request.headers["x-mark"])} `);
      request.pipe(response);
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    return {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
      async [Symbol.asyncDispose]() {
        server.close();
        server.closeAllConnections();
      },
    };
  }

  const asked = { method: "POST", headers: { "x-mark": "1" }, body: "body" };
  class Asked {
    get method() {
      return "POST";
    }
    get headers() {
      return { "x-mark": "1" };
    }
    body = "body";
  }
  const kinds: Record<string, () => RequestInit> = {
    "a plain object": () => asked,
    "a Request": () => new Request("http://elsewhere.example/", asked),
    "an object that inherits": () => Object.create(asked) as RequestInit,
    "an object with getters": () => new Asked(),
  };

  for (const [kind, make] of Object.entries(kinds)) {
    test(`A1 may be ${kind}, and counts as it does for the platform`, async () => {
      await using server = await echo();
      const platform = await (await globalThis.fetch(server.url, make())).text();
      const text = await withCancelScope(async () => (await fetch(server.url, make())).text());
      assert.deepEqual([text, platform], ["POST 1 body", "POST 1 body"]);
    });
  }

  test("A1 may be a Request whose signal aborts", async () => {
    await using server = await WebServer.start();
    const init = new Request(server.url, { signal: AbortSignal.timeout(10) }) as RequestInit;
    const error = await rejection(moveOnAfter(10_000, () => fetch(server.url, init)));
    assert.equal((error as Error).name, "TimeoutError");
  });

  test("A1 takes the signal of a request away with null, and leaves the scope's", async () => {
    await using server = await WebServer.start();
    const signal = AbortSignal.abort(new Error("the request's"));
    const request = (path: string) => new Request(`${server.url}/${path}`, { signal });
    await withCancelScope(async () => {
      assert.equal(await (await fetch(request("answer"), { signal: null })).text(), "answer");
      for (const init of [undefined, {}, { signal: undefined }] as RequestInit[])
        assert.equal(((await rejection(fetch(request("answer"), init))) as Error).message, "the request's");
    });
    assert.equal(await moveOnAfter(20, () => fetch(request("never"), { signal: null })), undefined);
  });

  test("A1 that is no object is the platform's to refuse", async () => {
    const wrong = "POST" as never;
    const platform = await globalThis.fetch("data:,x", wrong).then(() => "taken", String);
    assert.equal(await withCancelScope(() => fetch("data:,x", wrong).then(() => "taken", String)), platform);
  });
});

describe("reports", () => {
  test("name what a task waits for in the platform, while it does", () =>
    run(
      async () => {
        const emitter = new EventEmitter();
        const came = events.once(emitter, "come");
        assert.match(dumpTree(here().root), /waits for event 'come'/);
        emitter.emit("come");
        await came;
        assert.doesNotMatch(dumpTree(here().root), /event/);
      },
      { host: false },
    ));

  test("do not tell what a URL may keep secret", async () => {
    await using server = await WebServer.start();
    await run(
      async () => {
        const asked = moveOnAfter(50, () => fetch(`${server.url}/path?token=secret`, { method: "POST" }));
        const report = dumpTree(here().root);
        assert.match(report, /waits for fetch POST http:\/\/127.0.0.1:\d+\/path/);
        assert.doesNotMatch(report, /secret/);
        await asked;
      },
      { host: false },
    );
  });

  test("K9 a call that nobody awaits is not reported when it is cut", async () => {
    const seen: unknown[] = [];
    const note = (error: unknown): void => void seen.push(error);
    process.on("unhandledRejection", note);
    try {
      await withCancelScope(async (scope) => {
        void timers.setTimeout(60_000);
        scope.cancel();
      });
      await pause(10);
      assert.deepEqual(seen, []);
    } finally {
      process.off("unhandledRejection", note);
    }
  });
});

test("a task that is cancelled in an ambient call is awaited as any that was cut", async () => {
  const error = await rejection(
    withTaskGroup(async (group) => {
      const task = group.spawn(() => events.once(nobody, "never"));
      task.cancel();
      await task;
    }),
  );
  assert.ok(error instanceof WorkCancelledError);
});
