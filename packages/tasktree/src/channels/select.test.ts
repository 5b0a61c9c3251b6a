import assert from "node:assert/strict";
import { test } from "node:test";
import { randomFrom } from "../../test/random.ts";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  after,
  all,
  at,
  Broadcast,
  CancelledError,
  Channel,
  checkpoint,
  ClosedError,
  EndOfStream,
  Latch,
  moveOnAfter,
  now,
  run,
  select,
  shield,
  sleep,
  trySelect,
  WorkCancelledError,
  withCancelScope,
  withTaskGroup,
  type ChannelStatistics,
  type Task,
} from "../index.ts";
import { waitForOne, WaitList, type Selectable } from "../lowlevel.ts";
import { VirtualClock, waitAllTasksBlocked } from "../testing/index.ts";

/** A wait for it would have to be undone in every line. */
function nothingWaits(...channels: { statistics(): ChannelStatistics }[]): void {
  for (const channel of channels) {
    const { sending, receiving } = channel.statistics();
    assert.deepEqual({ sending, receiving }, { sending: 0, receiving: 0 });
  }
}

test("H2 select() gives the key and the value of the case that is ready, and leaves the others as they are", async () => {
  await virtually(async () => {
    const [full, empty, other] = [new Channel<number>(1), new Channel<string>(1), new Channel<string>(0)];
    await full.send(7);
    assert.deepEqual(await select({ empty, full, room: other.sending("x") }), { key: "full", value: 7 });
    assert.deepEqual(await select({ full, room: empty.sending("a") }), { key: "room", value: undefined });
    assert.equal(full.size, 0);
    assert.deepEqual(empty.tryReceive(), { value: "a" });
    nothingWaits(full, empty, other);
  });
});

test("H2 select() waits in all lines, does the first that comes, and leaves all lines", async () => {
  await virtually(async () => {
    const [a, b, c] = [new Channel<number>(0), new Channel<number>(0), new Channel<number>(0)];
    for (const comes of ["a", "b", "c"] as const) {
      await withTaskGroup(async (group) => {
        const selecting = group.spawn(() => select({ a, b, c: c.sending(3) }));
        await waitAllTasksBlocked();
        assert.deepEqual(
          [a, b].map((channel) => channel.statistics().receiving),
          [1, 1],
        );
        assert.equal(c.statistics().sending, 1);
        if (comes === "c") assert.equal(await c.receive(), 3);
        else assert.ok({ a, b }[comes].trySend(1));
        nothingWaits(a, b, c);
        assert.deepEqual(await selecting, { key: comes, value: comes === "c" ? undefined : 1 });
      });
    }
  });
});

test("select() takes a task's value, and rejects with its failure or cancellation, whether it has ended or will", async () => {
  await virtually(async () => {
    const channel = new Channel<number>(0);
    await withTaskGroup(async (group) => {
      const task = group.spawn(() => sleep(5).then(() => "value"));
      assert.deepEqual(await select({ channel, task }), { key: "task", value: "value" });
      assert.deepEqual(await select({ channel, task }), { key: "task", value: "value" });

      const failure = new Error("on purpose");
      const failing = group.attempt(() => sleep(5).then(() => Promise.reject(failure)));
      assert.equal(await rejection(select({ channel, failing })), failure);
      assert.equal(await rejection(select({ channel, failing })), failure);

      const cancelled = group.spawn(() => sleep(1000));
      const waiting = group.spawn(() => rejection(select({ channel, cancelled })));
      await waitAllTasksBlocked();
      cancelled.cancel();
      assert.ok((await waiting) instanceof WorkCancelledError);
    });
    nothingWaits(channel);
  });
});

test("select() of one thing under two names leaves the others who wait for it in line", async () => {
  await virtually(async () => {
    const channel = new Channel<number>(0);
    await withTaskGroup(async (group) => {
      const task = group.spawn(() => sleep(5).then(() => 1));
      const twice = group.spawn(() => select({ a: task, b: task }));
      const awaiting = group.spawn(async () => await task);
      const asking = group.spawn(() => task.outcome());
      assert.equal((await twice).value, 1);
      assert.equal(await awaiting, 1);
      assert.equal((await asking).status, "ok");

      const both = group.spawn(() => select({ a: channel, b: channel }));
      const behind = group.spawn(() => channel.receive());
      await waitAllTasksBlocked();
      assert.deepEqual([channel.trySend(1), channel.trySend(2), channel.trySend(3)], [true, true, false]);
      assert.deepEqual([(await both).value, await behind], [1, 2]);

      const ended = group.spawn(() => rejection(select({ a: channel, b: channel })));
      const end = group.spawn(() => rejection(channel.receive()));
      await waitAllTasksBlocked();
      channel.close();
      assert.ok((await ended) instanceof EndOfStream && (await end) instanceof EndOfStream);
    });
  });
});

test("select() rejects when a case cannot go on: a channel that is closed, before or while it waits", async () => {
  await virtually(async () => {
    const [open, closing, other] = [new Channel<number>(0), new Channel<number>(0), new Channel<number>(0)];
    await withTaskGroup(async (group) => {
      group.spawn(() => assert.rejects(select({ open, closing }), EndOfStream));
      group.spawn(() => assert.rejects(select({ open, room: other.sending(1) }), ClosedError));
      await waitAllTasksBlocked();
      closing.close();
      other.close();
    });
    await assert.rejects(select({ open, closing }), EndOfStream);
    await assert.rejects(select({ open, room: closing.sending(1) }), ClosedError);
    assert.throws(() => trySelect({ open, closing }), EndOfStream);
    nothingWaits(open, closing);
  });
});

test("H2 select() lets none of several ready cases starve; ordered, it takes the first", async () => {
  await virtually(async () => {
    const channels = { a: new Channel<number>(1), b: new Channel<number>(1), c: new Channel<number>(1) };
    const counts = { a: 0, b: 0, c: 0 };
    const ordered = { a: 0, b: 0, c: 0 };
    for (let round = 0; round < 300; round++) {
      for (const channel of Object.values(channels)) channel.trySend(round);
      counts[(await select(channels)).key]++;
      for (const channel of Object.values(channels)) channel.trySend(round);
      ordered[trySelect(channels, { ordered: true })!.key]++;
    }
    for (const count of Object.values(counts)) assert.ok(count > 30, JSON.stringify(counts));
    assert.deepEqual(ordered, { a: 300, b: 0, c: 0 });
  });
});

test("H2 select(): after(0) and a time that has passed come only if no other case is ready, whatever their place", async () => {
  await virtually(async () => {
    const channel = new Channel<number>(1);
    for (let round = 0; round < 20; round++) {
      assert.deepEqual(await select({ none: after(0), channel }), { key: "none", value: undefined });
      assert.equal((await select({ channel, past: at(now() - 1) })).key, "past");
      channel.trySend(round);
      assert.deepEqual(await select({ none: after(-1), channel }), { key: "channel", value: round });
      channel.trySend(round);
      assert.equal((await select({ channel, past: at(now()) })).key, "channel");
    }
    assert.equal(now(), 0);
    assert.equal((await select({ only: after(0) })).key, "only");
    nothingWaits(channel);
  });
});

test("H2 select() takes the earliest time when nothing else came until then, and counts after() from each call", async () => {
  await virtually(async () => {
    const channel = new Channel<number>(0);
    const cases = { late: after(20), never: after(Infinity), early: after(10), channel };
    for (const time of [10, 20]) {
      assert.deepEqual(await select(cases), { key: "early", value: undefined });
      assert.equal(now(), time);
    }
    assert.equal((await select({ channel, tick: at(25), same: at(25) })).key, "tick");
    assert.equal(now(), 25);
    await withTaskGroup(async (group) => {
      group.spawn(async () => {
        await sleep(5);
        await channel.send(1);
      });
      assert.deepEqual(await select(cases), { key: "channel", value: 1 });
      assert.equal(now(), 30);
    });
    assert.equal((await select({ only: after(5) })).key, "only");
    assert.equal(now(), 35);
    assert.equal(await moveOnAfter(5, () => select({ never: after(Infinity) })), undefined);
    nothingWaits(channel);
  });
});

test("select() leaves no timer behind, whether another case came, it failed or was cut", async () => {
  const clock = new (class extends VirtualClock {
    held = false;
    override hold(alive?: boolean): void {
      this.held = alive === true;
      super.hold();
    }
  })();
  await run(
    async () => {
      const channel = new Channel<number>(0);
      await withTaskGroup(async (group) => {
        const tasks = [1, 2, 3].map(() => group.attempt(() => select({ channel, late: after(1000) })));
        await waitAllTasksBlocked();
        assert.equal(clock.held, true);
        tasks[0]!.cancel();
        channel.trySend(1);
        channel.close();
        assert.equal((await tasks[1]!).value, 1);
        assert.ok((await rejection(tasks[2]!)) instanceof EndOfStream);
        assert.equal((await tasks[0]!.outcome()).status, "cancelled");
      });
      assert.equal(clock.held, false);
    },
    { clock, host: false },
  );
});

test("C3b an item handed to select() in the millisecond of its timeout, or before a cancellation, is its result", async () => {
  await virtually(async () => {
    const channel = new Channel<number>(0);
    for (const cases of [{ channel }, { channel, late: after(1000) }]) {
      await withTaskGroup(async (group) => {
        const selecting = group.spawn(() => select(cases));
        await waitAllTasksBlocked();
        assert.ok(channel.trySend(1));
        selecting.cancel();
        assert.deepEqual(await selecting, { key: "channel", value: 1 });
      });
    }
    await withTaskGroup(async (group) => {
      let sent = 0;
      let received = 0;
      group.spawn(async () => {
        for (let round = 0; round < 20; round++) {
          await sleep(10);
          if (channel.trySend(round)) sent++;
        }
      });
      for (let round = 0; round < 20; round++) {
        if ((await select({ channel, late: after(10) })).key === "channel") received++;
      }
      await sleep(1);
      assert.equal(sent, received);
    });
    nothingWaits(channel);
  });
});

test("C3a select() cut on entry or while it waits has done nothing in any of its lines", async () => {
  await virtually(async () => {
    const [ready, empty, room] = [new Channel<number>(1), new Channel<number>(0), new Channel<number>(1)];
    await ready.send(1);
    for (const timeout of [{}, { late: after(1000) }]) {
      await withCancelScope(async (scope) => {
        scope.cancel();
        await assert.rejects(select({ ready, room: room.sending(1), ...timeout }), CancelledError);
      });
      await withCancelScope(async (scope) => {
        scope.cancel();
        await assert.rejects(select({ room: room.sending(1), ...timeout }), CancelledError);
      });
      assert.deepEqual([ready.size, room.size], [1, 0]);

      await withTaskGroup(async (group) => {
        const selecting = group.spawn(() => select({ empty, back: empty.sending(1), ...timeout }));
        await waitAllTasksBlocked();
        selecting.cancel();
        nothingWaits(empty);
        assert.deepEqual([empty.trySend(1), empty.tryReceive()], [false, undefined]);
        assert.equal((await selecting.outcome()).status, "cancelled");
      });
      assert.equal(await moveOnAfter(10, () => select({ empty, ...timeout })), undefined);
      nothingWaits(empty);
    }
  });
});

test("C2b select() with a case that receives throws in cleanup; one that only sends works", async () => {
  await virtually(async () => {
    const [jobs, results] = [new Channel<number>(1), new Channel<number>(1)];
    const receiver = jobs.receiver();
    using subscription = new Broadcast<number>().subscribe({ capacity: 1, whenFull: "wait" });
    await jobs.send(1);
    let reached = false;
    await withCancelScope(async (scope) => {
      scope.cancel();
      await assert.rejects(checkpoint(), CancelledError);
      for (const intake of [jobs, receiver, subscription]) {
        await assert.rejects(select({ intake }), CancelledError);
        await assert.rejects(select({ intake, none: after(0), room: results.sending(1) }), CancelledError);
      }
      assert.equal((await select({ room: results.sending(1), late: after(5) })).key, "room");
      assert.equal((await select({ room: results.sending(1), late: after(5) })).key, "late");
      assert.equal(now(), 5);
      assert.equal((await shield(() => select({ jobs }), { timeout: 10 })).value, 1);
      reached = true;
    });
    assert.ok(reached);
  });
});

test("H2 select(): two selects make a rendezvous with each other, and one never does with itself", async () => {
  await virtually(async () => {
    const [there, back] = [new Channel<string>(0), new Channel<string>(0)];
    await withTaskGroup(async (group) => {
      const first = group.spawn(() => select({ sent: there.sending("from the first"), got: back }));
      await waitAllTasksBlocked();
      const second = group.spawn(() => select({ sent: back.sending("from the second"), got: there }));
      const [one, other] = [await first, await second];
      assert.notEqual(one.key, other.key);
      nothingWaits(there, back);

      const self = () => select({ sent: there.sending("to whom it may concern"), got: there });
      const alone = group.spawn(self);
      await waitAllTasksBlocked();
      assert.equal(alone.status, "running");
      const partner = group.spawn(self);
      const keys = [(await alone).key, (await partner).key].sort();
      assert.deepEqual(keys, ["got", "sent"]);
      nothingWaits(there);
    });
  });
});

test("F1a select() waits in line like anybody else", async () => {
  await virtually(async () => {
    const channel = new Channel<number>(0);
    await withTaskGroup(async (group) => {
      const first = group.spawn(() => channel.receive());
      const second = group.spawn(() => select({ channel }));
      const third = group.spawn(() => channel.receive());
      await waitAllTasksBlocked();
      for (const item of [1, 2, 3]) await channel.send(item);
      assert.deepEqual([await first, (await second).value, await third], [1, 2, 3]);
    });
  });
});

test("select(): a case may be used again and again", async () => {
  await virtually(async () => {
    const channel = new Channel<number>(2);
    const sending = { sent: channel.sending(5) };
    for (let round = 0; round < 2; round++) assert.equal((await select(sending)).key, "sent");
    assert.equal(trySelect(sending), undefined);
    const receiving = { channel, none: after(0) };
    const keys: string[] = [];
    for (let round = 0; round < 3; round++) keys.push((await select(receiving)).key);
    assert.deepEqual(keys, ["channel", "channel", "none"]);
  });
});

test("trySelect() does what is ready, or nothing", async () => {
  await virtually(async () => {
    const [channel, full] = [new Channel<number>(1), new Channel<number>(0)];
    assert.equal(trySelect({ channel, room: full.sending(1), later: after(1) }), undefined);
    assert.deepEqual(trySelect({ channel, none: after(0) }), { key: "none", value: undefined });
    await channel.send(3);
    assert.deepEqual(trySelect({ channel, room: full.sending(1), none: after(0) }), { key: "channel", value: 3 });
    nothingWaits(channel, full);
  });
});

test("select() rejects what is no case, and times that make no sense", async () => {
  const channel = new Channel<number>(1);
  await assert.rejects(select({}), TypeError);
  assert.throws(() => trySelect({}), TypeError);
  for (const wrong of [channel.receive(), undefined, null, 5, () => 1]) {
    await assert.rejects(select({ wrong: wrong as unknown as Selectable<void> }), /Cannot select 'wrong': /);
  }
  channel.trySend(1);
  for (const time of [Number.NaN, "5" as unknown as number]) {
    assert.throws(() => after(time), RangeError);
    assert.throws(() => at(time), RangeError);
  }
});

test("select() that is given a latch waits until it is open", async () => {
  await virtually(async () => {
    const [latch, channel] = [new Latch(), new Channel<number>(0)];
    await withTaskGroup(async (group) => {
      const selecting = group.spawn(() => select({ channel, stop: latch }));
      await waitAllTasksBlocked();
      latch.open();
      assert.equal((await selecting).key, "stop");
      assert.equal((await select({ channel, stop: latch })).key, "stop");
    });
    assert.equal(latch.statistics().waiting, 0);
    nothingWaits(channel);
  });
});

test("select() takes whatever an outsider made selectable", async () => {
  await virtually(async () => {
    class Bell implements Selectable<string> {
      readonly #waiters = new WaitList<string>({ describe: () => "bell" });
      choice() {
        return { poll: () => undefined, line: this.#waiters };
      }
      ring(sound: string): void {
        this.#waiters.wake(sound);
      }
    }
    const [bell, channel] = [new Bell(), new Channel<number>(0)];
    await withTaskGroup(async (group) => {
      const selecting = group.spawn(() => select({ bell, channel }));
      await waitAllTasksBlocked();
      bell.ring("ding");
      assert.deepEqual(await selecting, { key: "bell", value: "ding" });
      const waiting = group.spawn(() => waitForOne([bell.choice(), channel.choice()]));
      await waitAllTasksBlocked();
      channel.trySend(4);
      assert.deepEqual(await waiting, { index: 1, value: 4 });
    });
  });
});

test("C3a C3b whatever several selects send and receive, and whoever is cancelled, each item arrives once or was not sent", async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = randomFrom(seed);
    await virtually(async () => {
      const channels = [new Channel<number>(0), new Channel<number>(random(2)), new Channel<number>(0)];
      const [sent, received]: [number[], number[]] = [[], []];
      let next = 0;
      await withTaskGroup(async (group) => {
        const tasks: Task[] = Array.from({ length: 8 }, () =>
          group.spawn(async () => {
            for (let round = 0; round < 10; round++) {
              const item = next++;
              const [a, b, c] = [channels[random(3)]!, channels[random(3)]!, channels[random(3)]!];
              const came = await select({
                sent: a.sending(item),
                a,
                b,
                c,
                late: after(random(4)),
              });
              if (came.key === "sent") sent.push(item);
              else if (came.key !== "late") received.push(came.value);
              if (random(3) === 0) await sleep(random(2));
            }
          }),
        );
        for (let turn = 0; turn < 10; turn++) {
          await sleep(1);
          for (let steps = random(4); steps > 0; steps--) await null;
          tasks[random(8)]!.cancel();
        }
        await sleep(100);
        for (const task of tasks) task.cancel();
        await all(tasks.map((task) => () => task.outcome()));
      });
      for (const channel of channels) {
        for (let left = channel.tryReceive(); left !== undefined; left = channel.tryReceive())
          received.push(left.value);
        nothingWaits(channel);
      }
      assert.deepEqual(
        received.toSorted((a, b) => a - b),
        sent.toSorted((a, b) => a - b),
        `seed ${seed}`,
      );
    });
  }
});

test("H2 select() favours none of those that are ready, wherever the others stand", async () => {
  await virtually(async () => {
    const [none, a, b] = [new Channel<string>(0), new Channel<string>(Infinity), new Channel<string>(Infinity)];
    const taken = { a: 0, b: 0 };
    for (let turn = 0; turn < 4000; turn++) {
      if (a.size === 0) a.trySend("a");
      if (b.size === 0) b.trySend("b");
      const { key } = await select({ none1: none, none2: none, none3: none, a, b });
      taken[key as "a" | "b"]++;
    }
    assert.ok(taken.a > 1700 && taken.b > 1700, JSON.stringify(taken));
  });
});
