import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { virtually } from "../../test/virtual.ts";
import {
  all,
  moveOnAfter,
  openTaskGroup,
  outside,
  shield,
  sleep,
  sleepForever,
  TaskLocal,
  withCancelScope,
  withTaskGroup,
} from "../index.ts";

test("TaskLocal gives its default where nothing was set, inside and outside of tasks", async () => {
  const local = new TaskLocal({ default: "nobody" });
  assert.equal(local.get(), "nobody");
  assert.equal(await virtually(() => local.get()), "nobody");
  assert.equal(new TaskLocal<string | undefined>().get(), undefined);
});

test("TaskLocal.run() sets a value for what is called and awaited inside, and for nothing else", async () => {
  const local = new TaskLocal({ default: 0 });
  const seen = async () => {
    await null;
    const before = local.get();
    await sleep(1);
    return [before, local.get()];
  };
  await virtually(async () => {
    const inside = local.run(1, seen);
    assert.equal(local.get(), 0);
    assert.deepEqual(await inside, [1, 1]);
    assert.equal(local.get(), 0);
  });
  assert.deepEqual(await local.run(2, seen), [2, 2]);
});

test("TaskLocal.run() gives what the function returns, throws what it throws, and then the value is gone", () => {
  const local = new TaskLocal({ default: "out" });
  assert.equal(
    local.run("in", () => 42),
    42,
  );
  const thrower = () => {
    throw new Error(local.get());
  };
  assert.throws(() => local.run("in", thrower), /^Error: in$/);
  assert.equal(local.get(), "out");
});

test("TaskLocal.run() nests; a value of undefined counts as set", async () => {
  const local = new TaskLocal<string | undefined>({ default: "default" });
  await local.run("outer", async () => {
    await local.run(undefined, async () => {
      await null;
      assert.equal(local.get(), undefined);
    });
    assert.equal(local.get(), "outer");
  });
});

test("two TaskLocals of the same name are two", () => {
  const [a, b] = [new TaskLocal({ default: 1, name: "n" }), new TaskLocal({ default: 2, name: "n" })];
  a.run(10, () => b.run(20, () => assert.deepEqual([a.get(), b.get()], [10, 20])));
  a.run(10, () => assert.deepEqual([a.get(), b.get()], [10, 2]));
});

test("X1a a child has the values of its spawner, not of the group or of later", async () => {
  await virtually(async () => {
    const local = new TaskLocal({ default: "none" });
    const seen: string[] = [];
    const tell = async () => {
      await sleep(1);
      seen.push(local.get());
    };
    await local.run("group", () =>
      withTaskGroup(async (group) => {
        group.spawn(tell);
        local.run("spawner", () => group.spawn(tell));
        await local.run("later", () => sleep(5));
      }),
    );
    assert.deepEqual(seen, ["group", "spawner"]);
  });
});

test("X1a values pass through every kind of scope", async () => {
  await virtually(async () => {
    const local = new TaskLocal({ default: "none" });
    const get = async () => (await sleep(1), local.get());
    await local.run("request", async () => {
      assert.equal(await withCancelScope(get), "request");
      assert.equal(await moveOnAfter(10, get), "request");
      assert.equal(await shield(get, { timeout: 10 }), "request");
      assert.deepEqual(await all([get, get]), ["request", "request"]);
      await using group = openTaskGroup();
      assert.equal(await group.spawn(get), "request");
      assert.equal(await group.attempt(get), "request");
      assert.equal(await group.start(async (started: (value: string) => void) => started(await get())), "request");
    });
  });
});

test("X1a a child spawned by an event handler has the values of the emitting code", async () => {
  await virtually(async () => {
    const local = new TaskLocal({ default: "none" });
    const emitter = new EventEmitter();
    const seen: string[] = [];
    await withTaskGroup(async (group) => {
      emitter.on("request", () => void group.spawn(async () => (await sleep(1), seen.push(local.get()))));
      local.run("emitter", () => emitter.emit("request"));
      emitter.emit("request");
    });
    assert.deepEqual(seen, ["emitter", "none"]);
  });
});

test("X3 outside() has no values of the task", async () => {
  await virtually(async () => {
    const local = new TaskLocal({ default: "none" });
    local.run("task", () =>
      assert.equal(
        outside(() => local.get()),
        "none",
      ),
    );
  });
});

test("a value is in place again in cleanup after a cancellation", async () => {
  await virtually(async () => {
    const local = new TaskLocal({ default: "none" });
    const seen: string[] = [];
    await local.run("request", () =>
      moveOnAfter(5, async () => {
        try {
          await sleepForever();
        } finally {
          await sleep(1);
          seen.push(local.get());
        }
      }),
    );
    assert.deepEqual(seen, ["request"]);
  });
});

test("TaskLocal.run() rejects what is no function", () => {
  const local = new TaskLocal({ default: 1 });
  assert.throws(() => local.run(2, Promise.resolve() as unknown as () => void), TypeError);
});
