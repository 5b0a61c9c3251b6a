import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer, connect, type AddressInfo } from "node:net";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { skipOn } from "../../test/runtime.ts";
import {
  currentScope,
  currentTask,
  outside,
  InvalidStateError,
  now,
  run,
  sleep,
  sleepForever,
  withTaskGroup,
  WorkCancelledError,
} from "../index.ts";
import { addInstrument } from "../lowlevel.ts";
import { runVirtual } from "./index.ts";

const realNow = performance.now.bind(performance);

test("runVirtual() sleeps for a year in no time, and gives the value of main", async () => {
  const year = 365 * 86_400_000;
  const value = await runVirtual(async () => {
    await sleep(year);
    return now();
  });
  assert.equal(value, year);
});

test("runVirtual() waits for everything, as run does, and rejects with what main throws", async () => {
  const error = new Error("boom");
  let ended = false;
  const failing = runVirtual(() =>
    withTaskGroup(async (group) => {
      group.spawn(async () => {
        try {
          await sleepForever();
        } finally {
          await sleep(1000);
          ended = true;
        }
      });
      await sleep(1);
      throw error;
    }),
  );
  assert.equal(await rejection(failing), error);
  assert.equal(ended, true);
});

test("runVirtual() begins at its start, and each run at its own", async () => {
  const times = await Promise.all(
    [0, 500, -3].map((start) =>
      runVirtual(
        async () => {
          await sleep(10);
          return now();
        },
        { start },
      ),
    ),
  );
  assert.deepEqual(times, [10, 510, 7]);
  await assert.rejects(
    runVirtual(() => 1, { start: Number.NaN }),
    RangeError,
  );
});

test("runVirtual() takes the options of run", async () => {
  const path = await runVirtual(() => currentTask()!.path, { name: "program" });
  assert.equal(path, "program");
  const spawned: string[] = [];
  const instrument = { taskSpawned: (task: { name: string }) => void spawned.push(task.name) };
  await runVirtual(() => undefined, { instruments: [instrument] });
  assert.deepEqual(spawned, ["main"]);
});

test("runVirtual() refuses what is no function, and to run inside a task", async () => {
  await assert.rejects(runVirtual(Promise.resolve(1) as never), TypeError);
  await run(
    () =>
      assert.rejects(
        runVirtual(() => 1),
        InvalidStateError,
      ),
    { host: false },
  );
});

test("runVirtual() leaves the process alone", async () => {
  await run(
    async () => {
      const before = process.listenerCount("SIGINT");
      await new Promise<void>((resolve) => {
        setImmediate(() => resolve());
      });
      assert.equal(process.listenerCount("SIGINT"), before);
    },
    { host: false },
  );
  const before = process.listenerCount("SIGINT");
  await runVirtual(() => assert.equal(process.listenerCount("SIGINT"), before));
});

test("runVirtual() ends with WorkCancelledError when its own tree was shut down", async () => {
  const shut = runVirtual(async () => {
    outside(() => currentScope().cancel());
    await sleepForever();
  });
  assert.ok((await rejection(shut)) instanceof WorkCancelledError);
});

test(
  "runVirtual(): time stands still while a file is read",
  skipOn({ bun: "shows no I/O", deno: "shows no file" }),
  async () => {
    await runVirtual(async () => {
      await withTaskGroup((group) => {
        group.spawn(() => sleep(1000));
        group.spawn(async () => {
          for (let count = 0; count < 20; count++) await readFile(import.meta.filename);
          assert.equal(now(), 0);
        });
      });
      assert.equal(now(), 1000);
    });
  },
);

test("runVirtual(): time stands still while a connection is open", skipOn({ bun: "shows no I/O" }), async () => {
  const server = createServer((socket) => setTimeout(() => socket.end("hello"), 30));
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  try {
    await runVirtual(async () => {
      await withTaskGroup((group) => {
        group.spawn(() => sleep(1000));
        group.spawn(async () => {
          const chunks = await connect(port, "127.0.0.1").toArray();
          assert.equal(String(Buffer.concat(chunks as Buffer[])), "hello");
          assert.equal(now(), 0);
        });
      });
      assert.equal(now(), 1000);
    });
  } finally {
    server.close();
  }
});

test("runVirtual() with jumpDuringIo: true lets time jump while a connection is open", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  const idle = connect(port, "127.0.0.1");
  try {
    const main = async () => {
      const inside = connect(port, "127.0.0.1");
      await sleep(60_000);
      inside.destroy();
      return now();
    };
    assert.equal(await runVirtual(main, { jumpDuringIo: true }), 60_000);
  } finally {
    idle.destroy();
    server.close();
  }
});

test("runVirtual(): what was open before, and a listening server, do not keep time from going on", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  const idle = connect(port, "127.0.0.1");
  await new Promise<void>((resolve) => {
    server.once("connection", () => resolve());
  });
  try {
    await runVirtual(async () => {
      const another = createServer();
      another.listen(0, "127.0.0.1");
      await sleep(60_000);
      another.close();
    });
  } finally {
    idle.destroy();
    server.close();
  }
});

test(
  "runVirtual() tells what time stands still for when that takes long",
  skipOn({ bun: "shows no I/O" }),
  async (t) => {
    const server = createServer();
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    const { port } = server.address() as AddressInfo;
    const told: string[] = [];
    t.mock.method(console, "error", (message: string) => void told.push(message));
    let skipped = 0;
    t.mock.method(performance, "now", () => realNow() + skipped);
    try {
      await runVirtual(async () => {
        const socket = connect(port, "127.0.0.1");
        setTimeout(() => (skipped = 6000), 20);
        setTimeout(() => socket.destroy(), 60);
        await sleep(1000);
      });
    } finally {
      server.close();
    }
    assert.equal(told.length, 1);
    assert.match(
      told[0]!,
      /^tasktree: virtual time stands still, for .*TCPSocketWrap.* is pending \(jumpDuringIo: true/,
    );
  },
);

test("runVirtual(): real timers are no I/O, and time jumps over them", async () => {
  await runVirtual(async () => {
    const real = new Promise<number>((resolve) => {
      setTimeout(() => resolve(now()), 20);
    });
    await sleep(1000);
    assert.equal(now(), 1000);
    assert.equal(await real, 1000);
  });
});

test("runVirtual(): a sleep that nobody awaited does not hold the process", async () => {
  let ended: Promise<void> | undefined;
  await runVirtual(() => void (ended = sleep(1000)));
  await ended;
});

test("runVirtual() leaves no instrument and no patch behind", async () => {
  const { setTimeout: before } = globalThis;
  const dateBefore = Date;
  await runVirtual(() => assert.notEqual(globalThis.Date, dateBefore), { platform: true });
  assert.equal(globalThis.setTimeout, before);
  assert.equal(globalThis.Date, dateBefore);
  assert.equal(new Date().constructor, dateBefore);
  await rejection(runVirtual(() => Promise.reject(new Error("boom")), { platform: true }));
  assert.equal(globalThis.setTimeout, before);
  addInstrument({})();
});
