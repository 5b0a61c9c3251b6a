/** Bytes on a network in memory: their journey, and what may happen to it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { rejection } from "../../../test/rejection.ts";
import { numbered, readAll, readExactly, streamConformance } from "../../../test/stream-conformance.ts";
import { virtually } from "../../../test/virtual.ts";
import {
  all,
  BrokenError,
  CancelledError,
  ClosedError,
  InvalidStateError,
  moveOnAfter,
  now,
  run,
  sleep,
  TimeoutError,
  withCancelScope,
  withTaskGroup,
} from "../../index.ts";
import type { ByteStream } from "../../streams/index.ts";
import { SimulatedNetwork, VirtualClock, waitAllTasksBlocked, type SimulatedNetworkOptions } from "../index.ts";

/** Two hosts, "a" and "b", and a connection between them. */
async function connected(options: SimulatedNetworkOptions = {}) {
  const network = new SimulatedNetwork(options);
  const listener = network.host("b").listen(80);
  const [a, b] = await all([() => network.host("a").connect("b", 80), () => listener.accept()]);
  return { network, listener, a, b };
}

async function arrived(): Promise<void> {
  await sleep(1000);
  await waitAllTasksBlocked();
}

for (const [name, options] of Object.entries<SimulatedNetworkOptions>({
  "a simulated network": { latency: 5 },
  "a slow and uneven simulated network": { latency: [0, 20], bandwidth: 100_000, segment: 7, seed: 7 },
  "a simulated network without latency": { latency: 0 },
})) {
  streamConformance(
    name,
    async ({ capacity }) => {
      const { listener, a, b } = await connected({ ...options, capacity });
      await listener.close();
      return [a, b];
    },
    { quiet: arrived, seeds: 8 },
  );
}

streamConformance(
  "the accepted end of a simulated network",
  async ({ capacity }) => {
    const { a, b } = await connected({ capacity });
    return [b, a];
  },
  { quiet: arrived, seeds: 3 },
);

// --- the journey

test("N6 to connect takes the way there and back, and bytes take the way", async () => {
  await virtually(async () => {
    const { a, b } = await connected({ latency: 25 });
    assert.equal(now(), 50);
    await a.write(numbered(3));
    assert.equal(now(), 50);
    assert.equal(b.statistics().buffered, 0);
    assert.deepEqual(await b.read(), numbered(3));
    assert.equal(now(), 75);
  });
});

test("N6 a host reaches itself at once", async () => {
  await virtually(async () => {
    const network = new SimulatedNetwork({ latency: 25, bandwidth: 1 });
    const host = network.host("a");
    const listener = host.listen(80);
    const [a, b] = await all([() => host.connect("a", 80), () => listener.accept()]);
    await a.write(numbered(3));
    assert.deepEqual(await b.read(), numbered(3));
    assert.equal(now(), 0);
  });
});

test("N6 the latency may depend on the way, and each way has its own", async () => {
  await virtually(async () => {
    const { a, b } = await connected({ latency: (from) => (from === "a" ? 10 : 200) });
    assert.equal(now(), 210);
    await a.write(numbered(1));
    await b.read();
    assert.equal(now(), 220);
    await b.write(numbered(1));
    await a.read();
    assert.equal(now(), 420);
  });
});

test("N6 bandwidth bounds the bytes of all connections between two hosts together, each way", async () => {
  await virtually(async () => {
    const { network, listener, a, b } = await connected({ latency: 10, bandwidth: 1000, segment: 100 });
    const [a2, b2] = await all([() => network.host("a").connect("b", 80), () => listener.accept()]);
    const started = now();
    await a.write(numbered(500));
    await a2.write(numbered(500));
    await b.write(numbered(500));
    await readExactly(a, 500);
    assert.equal(now() - started, 510);
    await all([() => readExactly(b, 500), () => readExactly(b2, 500)]);
    assert.equal(now() - started, 1010);
  });
});

test("N6 bytes never overtake each other, however uneven their journeys are", async () => {
  await virtually(async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { a, b } = await connected({ latency: [0, 100], segment: 3, seed });
      await a.write(numbered(300));
      await a.close();
      assert.deepEqual(await readAll(b), numbered(300), `seed ${seed}`);
    }
  });
});

test("N4 N6 there is room again only when news of the reading has come back", async () => {
  await virtually(async () => {
    const { a, b } = await connected({ latency: 50, capacity: 100 });
    const started = now();
    await withTaskGroup(async (group) => {
      group.spawn(async () => {
        await a.write(numbered(250));
        assert.equal(now() - started, 200);
      });
      assert.deepEqual(await readExactly(b, 250), numbered(250));
      assert.equal(now() - started, 250);
    });
  });
});

test("N6 bytes are under way, then they have arrived", async () => {
  await virtually(async () => {
    const { network, a, b } = await connected({ latency: 50 });
    await a.write(numbered(100));
    const { bytesUnderWay, bytesArrived } = network.statistics();
    assert.deepEqual([bytesUnderWay, bytesArrived], [100, 0]);
    await sleep(50);
    assert.deepEqual(network.statistics(), {
      connections: 1,
      listeners: 1,
      waiting: 0,
      bytesUnderWay: 0,
      bytesArrived: 100,
      opened: 1,
      refused: 0,
      lost: 0,
    });
    assert.equal(b.statistics().buffered, 100);
  });
});

test("what is under way keeps no run going, and virtual time does not move for it", async () => {
  const clock = new VirtualClock();
  const network = new SimulatedNetwork({ latency: 10_000 });
  let end: ByteStream;
  await run(
    async () => {
      const listener = network.host("b").listen(80);
      const [a, b] = await all([() => network.host("a").connect("b", 80), () => listener.accept()]);
      await a.write(numbered(5));
      end = b;
    },
    { clock, host: false },
  );
  const ended = clock.now();
  assert.equal(ended, 20_000);
  await run(() => sleep(10), { clock, host: false });
  assert.equal(clock.now(), ended + 10);
  await run(async () => assert.deepEqual(await end.read(), numbered(5)), { clock, host: false });
  assert.equal(clock.now(), ended + 10_000);
});

// --- opening

test("connect() to a port where nobody listens is refused, after the way there and back", async () => {
  await virtually(async () => {
    const { network } = await connected({ latency: 10 });
    const error = await rejection(network.host("a").connect("b", 81));
    assert.ok(error instanceof BrokenError);
    assert.equal(error.message, "Cannot connect 'a' to 'b:81': nobody listens there");
    assert.equal(now(), 40);
    const { refused, connections } = network.statistics();
    assert.deepEqual([refused, connections], [1, 1]);
  });
});

test("a listener takes in as many as it has room for, and the others are refused", async () => {
  await virtually(async () => {
    const network = new SimulatedNetwork();
    const listener = network.host("b").listen(80, { backlog: 2 });
    const connect = () => network.host("a").connect("b", 80);
    const first = await connect();
    await connect();
    await assert.rejects(connect(), BrokenError);
    assert.deepEqual(listener.statistics(), { backlog: 2, accepting: 0 });
    const accepted = await listener.accept();
    await connect();
    await first.write(numbered(2));
    assert.deepEqual(await accepted.read(), numbered(2));
  });
});

test("F1a accept() serves those who wait in the order they came", async () => {
  await virtually(async () => {
    const network = new SimulatedNetwork();
    const listener = network.host("b").listen(80);
    const served: string[] = [];
    await withTaskGroup(async (group) => {
      for (const name of ["first", "second", "third"]) {
        group.spawn(async () => {
          const stream = await listener.accept();
          served.push(`${name}: ${(await stream.read())?.[0]}`);
        });
        await waitAllTasksBlocked();
      }
      assert.equal(listener.statistics().accepting, 3);
      for (let number = 0; number < 3; number++)
        await (await network.host("a").connect("b", 80)).write(numbered(1, number));
    });
    assert.deepEqual(served, ["first: 0", "second: 1", "third: 2"]);
    assert.equal(network.statistics().waiting, 0);
  });
});

test("two listeners cannot have one port, and port 0 is one that is free", async () => {
  await virtually(async () => {
    const host = new SimulatedNetwork().host("a");
    const listener = host.listen(80);
    assert.throws(() => host.listen(80), InvalidStateError);
    const [one, other] = [host.listen(0), host.listen(0)];
    assert.notEqual(one.port, other.port);
    await listener.close();
    assert.equal(host.listen(80).port, 80);
    for (const port of [-1, 1.5, 65_536, Number.NaN, "80" as never]) {
      assert.throws(() => host.listen(port), RangeError);
      await assert.rejects(host.connect("b", port), RangeError);
    }
    assert.throws(() => host.listen(1, { backlog: 0 }), RangeError);
  });
});

test("C3a connect() cut on entry or while it waits leaves no connection", async () => {
  await virtually(async () => {
    const network = new SimulatedNetwork({ latency: 20 });
    const listener = network.host("b").listen(80);
    const connect = () => network.host("a").connect("b", 80);
    await withCancelScope(async (scope) => {
      scope.cancel();
      await assert.rejects(connect(), CancelledError);
    });
    assert.equal(network.statistics().connections, 0);
    for (const ms of [10, 30]) assert.equal(await moveOnAfter(ms, connect), undefined);
    await sleep(100);
    const { connections, waiting, opened } = network.statistics();
    assert.deepEqual([connections, waiting, opened], [0, 0, 0]);
    for (let count = 0; count < 2; count++) await assert.rejects((await listener.accept()).read(), BrokenError);
  });
});

test("C3b connect() that was answered before it is cancelled gives its connection", async () => {
  await virtually(async () => {
    const network = new SimulatedNetwork({ latency: 20 });
    network.host("b").listen(80);
    let stream: ByteStream | undefined;
    await withTaskGroup(async (group) => {
      const task = group.spawn(async () => {
        stream = await network.host("a").connect("b", 80);
      });
      await sleep(40); // alarms ring before sleepers wake: the answer is there, and the task has not gone on
      task.cancel();
      await task.outcome();
    });
    assert.equal(stream?.isClosed, false);
    assert.equal(network.statistics().opened, 1);
  });
});

test("C3a C2b accept() cut on entry, while it waits, and in cleanup takes no connection", async () => {
  await virtually(async () => {
    const network = new SimulatedNetwork();
    const listener = network.host("b").listen(80);
    const next = () => listener[Symbol.asyncIterator]().next() as Promise<unknown>;
    for (const call of [() => listener.accept(), next]) {
      assert.equal(await moveOnAfter(10, call), undefined);
      assert.deepEqual(listener.statistics(), { backlog: 0, accepting: 0 });
    }
    await network.host("a").connect("b", 80);
    for (const call of [() => listener.accept(), next]) {
      await withCancelScope(async (scope) => {
        scope.cancel();
        for (let time = 0; time < 3; time++) await assert.rejects(call(), CancelledError);
      });
    }
    assert.deepEqual(listener.statistics(), { backlog: 1, accepting: 0 });
    await listener.accept();
    assert.equal(network.statistics().waiting, 0);
  });
});

test("C3b a connection that was given to accept() before it is cancelled is accepted", async () => {
  await virtually(async () => {
    const network = new SimulatedNetwork({ latency: 20 });
    const listener = network.host("b").listen(80);
    let accepted = 0;
    for (const iterate of [false, true]) {
      await withTaskGroup(async (group) => {
        const task = group.spawn(async () => {
          if (iterate) await listener[Symbol.asyncIterator]().next();
          else await listener.accept();
          accepted++;
        });
        group.spawn(() => network.host("a").connect("b", 80));
        await sleep(20);
        task.cancel();
        await task.outcome();
      });
    }
    assert.deepEqual([accepted, listener.statistics().backlog], [2, 0]);
  });
});

test("closing a listener ends its loops, fails who waits, resets what nobody accepted, and leaves the others", async () => {
  await virtually(async () => {
    const { network, listener, a, b } = await connected();
    await withTaskGroup(async (group) => {
      const loop = group.spawn(async () => {
        for await (const _ of listener) assert.fail("accepted");
        return "ended";
      });
      const waiting = group.attempt(() => listener.accept());
      await waitAllTasksBlocked();
      await listener.close();
      assert.equal(await loop, "ended");
      await assert.rejects(Promise.resolve(waiting), ClosedError);
    });
    await listener.close();
    assert.ok(listener.isClosed);
    assert.deepEqual(await listener[Symbol.asyncIterator]().next(), { done: true, value: undefined });
    await assert.rejects(listener.accept(), ClosedError);
    await assert.rejects(network.host("a").connect("b", 80), BrokenError);
    await a.write(numbered(1));
    assert.deepEqual(await b.read(), numbered(1));

    const again = network.host("b").listen(80);
    const stream = await network.host("a").connect("b", 80);
    await again.close();
    await assert.rejects(stream.read(), BrokenError);
    assert.equal(network.statistics().waiting, 0);
  });
});

test("C11c a loop over a listener ends when its scope drains, before a connection and while it waits", async () => {
  await virtually(async () => {
    const network = new SimulatedNetwork();
    const listener = network.host("b").listen(80);
    await withTaskGroup(async (group) => {
      const serve = async () => {
        for await (const _ of listener) assert.fail("accepted");
        return "ended";
      };
      const waiting = group.spawn(serve);
      await waitAllTasksBlocked();
      group.drain(1000);
      assert.equal(await waiting, "ended");
      await network.host("a").connect("b", 80);
      assert.equal(await group.spawn(serve), "ended");
    });
    assert.deepEqual(listener.statistics(), { backlog: 1, accepting: 0 });
    assert.equal(network.statistics().waiting, 0);
  });
});

// --- partitions

test("N6 a partition holds up what is under way and what is sent; heal() delivers it in order", async () => {
  await virtually(async () => {
    const { network, a, b } = await connected({ latency: 10 });
    await a.write(numbered(3));
    network.partition(["a"], ["b"]);
    await a.write(numbered(3, 3));
    await b.write(numbered(1));
    await sleep(3_600_000);
    assert.deepEqual([a.statistics().buffered, b.statistics().buffered], [0, 0]);
    assert.equal(network.statistics().bytesUnderWay, 7);
    const healed = now();
    network.heal();
    await a.write(numbered(1, 6));
    await a.closeWriting();
    assert.deepEqual(await readAll(b), numbered(7));
    assert.deepEqual(await a.read(), numbered(1));
    assert.equal(now() - healed, 10);
  });
});

test("N6 what was sent before a partition and is due after it comes at its time", async () => {
  await virtually(async () => {
    const { network, a, b } = await connected({ latency: 100 });
    const sent = now();
    await a.write(numbered(3));
    await sleep(10);
    network.partition(["a"], ["b"]);
    await sleep(10);
    network.heal();
    assert.deepEqual(await b.read(), numbered(3));
    assert.equal(now() - sent, 100);
  });
});

test("N6 a partition stops only what goes from group to group, and is healed group by group", async () => {
  await virtually(async () => {
    const network = new SimulatedNetwork({ latency: 1 });
    const names = ["a", "b", "c", "d"];
    for (const name of names) {
      const listener = network.host(name).listen(80);
      void listener;
    }
    const reach = async () => {
      const pairs: string[] = [];
      for (const from of names) {
        for (const to of names) {
          const stream = await moveOnAfter(50, () => network.host(from).connect(to, 80));
          if (from < to && stream !== undefined) pairs.push(from + to);
        }
      }
      return pairs.join(" ");
    };
    network.partition(["a"], ["b", "c"]);
    assert.equal(await reach(), "ad bc bd cd");
    network.partition(["d"], ["a", "b"]);
    assert.equal(await reach(), "bc cd");
    network.heal(["a"], ["b"]);
    assert.equal(await reach(), "ab bc cd");
    network.heal();
    assert.equal(await reach(), "ab ac ad bc bd cd");
  });
});

test("partitions that make no sense are refused", () => {
  const network = new SimulatedNetwork();
  for (const groups of [[], [["a"]], [["a"], "b" as never], [["a", "b"], ["b"]]] as string[][][])
    assert.throws(() => network.partition(...groups), RangeError);
  assert.throws(() => network.heal(["a"]), RangeError);
  assert.throws(() => network.host(1 as never), TypeError);
});

test("N4 N6 a partition stops news of room too: a writer does not learn what is read meanwhile", async () => {
  await virtually(async () => {
    const { network, a, b } = await connected({ latency: 1, capacity: 10 });
    await a.write(numbered(10));
    await sleep(5);
    network.partition(["a"], ["b"]);
    assert.equal((await b.read())?.length, 10);
    assert.equal(await moveOnAfter(1000, () => a.write(numbered(1)).then(() => "written")), undefined);
    network.heal();
    await a.write(numbered(1, 10));
    assert.deepEqual(await b.read(), numbered(1, 10));
  });
});

test("N6 connect() waits for the end of a partition", async () => {
  await virtually(async () => {
    const { network } = await connected({ latency: 10 });
    network.partition(["a"], ["b"]);
    const started = now();
    await withTaskGroup(async (group) => {
      const connecting = group.spawn(() => network.host("a").connect("b", 80));
      await sleep(60_000);
      assert.equal(connecting.status, "running");
      network.heal();
      await connecting;
      assert.equal(now() - started, 60_020);
    });
  });
});

test("N6 with giveUpAfter connect() rejects with TimeoutError when there is no answer, whichever way is shut", async () => {
  await virtually(async () => {
    const network = new SimulatedNetwork({ latency: 10, giveUpAfter: 5000 });
    const listener = network.host("b").listen(80);
    network.partition(["a"], ["b"]);
    for (const shutLater of [false, true]) {
      if (shutLater) network.heal();
      await withTaskGroup(async (group) => {
        if (shutLater) group.spawn(() => sleep(15).then(() => network.partition(["a"], ["b"])));
        const started = now();
        const error = await rejection(network.host("a").connect("b", 80));
        assert.ok(error instanceof TimeoutError);
        assert.equal(error.message, "Cannot connect 'a' to 'b:80': no answer within 5000 ms");
        assert.deepEqual([now() - started, error.deadline], [5000, now()]);
      });
    }
    network.heal();
    await sleep(10_000);
    // The second call got there before the partition; the first one never did.
    const { backlog } = listener.statistics();
    assert.equal(backlog, 1);
    await assert.rejects((await listener.accept()).read(), BrokenError);
    assert.equal(network.statistics().connections, 0);
  });
});

test("N6 with giveUpAfter the side whose bytes are held up breaks, and the other hears of it when it can", async () => {
  await virtually(async () => {
    const { network, a, b } = await connected({ latency: 10, giveUpAfter: 5000 });
    network.partition(["a"], ["b"]);
    await a.write(numbered(3));
    const started = now();
    const error = await rejection(a.read());
    assert.ok(error instanceof BrokenError && error.cause instanceof TimeoutError);
    assert.match(error.message, /nothing got through for 5000 ms$/);
    assert.equal(now() - started, 5010);
    await withTaskGroup(async (group) => {
      const reading = group.attempt(() => b.read());
      await sleep(100_000);
      assert.equal(reading.status, "running");
      network.heal();
      await assert.rejects(Promise.resolve(reading), BrokenError);
    });
    assert.equal(b.statistics().bytesRead, 0);
    const { connections, bytesUnderWay, waiting } = network.statistics();
    assert.deepEqual([connections, bytesUnderWay, waiting], [0, 0, 0]);
  });
});

test("N6 with giveUpAfter a side that has only read waits on, and a partition healed in time breaks nothing", async () => {
  await virtually(async () => {
    const { network, a, b } = await connected({ latency: 10, giveUpAfter: 5000 });
    await a.write(numbered(3));
    await sleep(10);
    network.partition(["a"], ["b"]);
    assert.deepEqual(await b.read(), numbered(3));
    assert.equal(await moveOnAfter(60_000, () => b.read().then(() => "read")), undefined);
    for (let time = 0; time < 3; time++) {
      await a.write(numbered(1, 3 + time));
      await sleep(4000);
      network.heal();
      await sleep(4000);
      network.partition(["a"], ["b"]);
    }
    network.heal();
    assert.deepEqual(await readExactly(b, 3), numbered(3, 3));
  });
});

test("N5 what a side has torn during a partition never arrives, but for that news", async () => {
  await virtually(async () => {
    const { network, a, b } = await connected({ latency: 10 });
    network.partition(["a"], ["b"]);
    await a.write(numbered(3));
    await sleep(100);
    a.abort();
    assert.equal(network.statistics().bytesUnderWay, 0);
    network.heal();
    await assert.rejects(b.read(), BrokenError);
    assert.equal(network.statistics().bytesArrived, 0);
  });
});

test("N5 a partition holds no connection of which nothing is left to tell", async () => {
  await virtually(async () => {
    const { network, a, b } = await connected({ latency: 10, giveUpAfter: 50 });
    network.partition(["a"], ["b"]);
    await all([() => a.write(numbered(9)), () => b.write(numbered(9))]);
    await all([() => rejection(a.read()), () => rejection(b.read())]);
    const { connections, bytesUnderWay, lost } = network.statistics();
    assert.deepEqual([connections, bytesUnderWay, lost], [0, 0, 2]);
    network.heal();
    await sleep(100);
    assert.equal(network.statistics().bytesArrived, 0);
  });
});

// --- lost connections, crashes

test("N5 cut() breaks the connections between two hosts at both ends at once, and no others", async () => {
  await virtually(async () => {
    const { network, listener, a, b } = await connected({ latency: 10 });
    const [c, d] = await all([() => network.host("c").connect("b", 80), () => listener.accept()]);
    await withTaskGroup(async (group) => {
      const reading = [a, b].map((end) => group.attempt(() => end.read()));
      const connecting = group.attempt(() => network.host("a").connect("b", 80));
      await waitAllTasksBlocked();
      await a.write(numbered(5));
      const before = now();
      network.cut("b", "a");
      for (const failed of [...reading, connecting]) {
        const error = await rejection(failed);
        assert.ok(error instanceof BrokenError);
        assert.match(error.message, /the connection was cut$/);
      }
      assert.equal(now(), before);
    });
    await c.write(numbered(2));
    assert.deepEqual(await d.read(), numbered(2));
    const { connections, lost, bytesUnderWay } = network.statistics();
    assert.deepEqual([connections, lost, bytesUnderWay], [1, 2, 0]);
    await network.host("a").connect("b", 80);
  });
});

test("N5 a crash breaks a host's ends at once, resets the others when the news arrives, and frees its ports", async () => {
  await virtually(async () => {
    const { network, listener, a, b } = await connected({ latency: 10 });
    await withTaskGroup(async (group) => {
      const there = group.attempt(() => b.read());
      const here = group.attempt(() => a.read());
      const accepting = group.attempt(() => listener.accept());
      const looping = group.attempt(() => listener[Symbol.asyncIterator]().next() as Promise<unknown>);
      await waitAllTasksBlocked();
      const before = now();
      network.host("b").crash();
      for (const failed of [there, accepting, looping]) {
        const error = await rejection(failed);
        assert.ok(error instanceof BrokenError);
        assert.match(error.message, /host 'b' has crashed$/);
      }
      assert.equal(now(), before);
      await assert.rejects(Promise.resolve(here), BrokenError);
      assert.equal(now(), before + 10);
    });
    await assert.rejects(Promise.resolve(listener[Symbol.asyncIterator]().next()), BrokenError);
    assert.equal(listener.isClosed, false);
    await assert.rejects(network.host("a").connect("b", 80), BrokenError);
    const again = network.host("b").listen(80);
    await all([() => network.host("a").connect("b", 80), () => again.accept()]);
    const { connections, listeners, waiting } = network.statistics();
    assert.deepEqual([connections, listeners, waiting], [1, 1, 0]);
  });
});

test("N5 a host that crashes while it connects, or is called, has no connection", async () => {
  await virtually(async () => {
    for (const host of ["a", "b"]) {
      const network = new SimulatedNetwork({ latency: 10 });
      network.host("b").listen(80);
      await withTaskGroup(async (group) => {
        const connecting = group.attempt(() => network.host("a").connect("b", 80));
        await sleep(5);
        network.host(host).crash();
        await assert.rejects(Promise.resolve(connecting), BrokenError);
      });
      await sleep(100);
      const { connections, waiting, opened } = network.statistics();
      assert.deepEqual([connections, waiting, opened], [0, 0, 0], host);
    }
  });
});

test("N5 a host that crashes when it has accepted resets the connection when its answer has come", async () => {
  await virtually(async () => {
    const network = new SimulatedNetwork({ latency: 10 });
    network.host("b").listen(80);
    await withTaskGroup(async (group) => {
      const connecting = group.spawn(() => network.host("a").connect("b", 80));
      await sleep(15);
      network.host("b").crash();
      await assert.rejects((await connecting).read(), BrokenError);
      assert.equal(now(), 25);
    });
  });
});

test("N5 lossRate loses connections by chance, the same ones for the same seed", async () => {
  const course = async (seed: number) => {
    const seen: string[] = [];
    await virtually(async () => {
      const network = new SimulatedNetwork({ latency: [1, 9], lossRate: 0.05, seed });
      const listener = network.host("b").listen(80);
      await withTaskGroup(async (group) => {
        group.spawn(
          async () => {
            for await (const stream of listener) {
              group.spawn(async () => {
                try {
                  for await (const chunk of stream) await stream.write(chunk);
                  await stream.close();
                } catch (error) {
                  assert.ok(error instanceof BrokenError);
                }
              });
            }
          },
          { service: true },
        );
        for (let call = 0; call < 30; call++) {
          try {
            await using stream = await network.host("a").connect("b", 80);
            for (let turn = 0; turn < 5; turn++) {
              await stream.write(numbered(3));
              await readExactly(stream, 3);
            }
            seen.push(`ok at ${now()}`);
          } catch (error) {
            assert.ok(error instanceof BrokenError);
            seen.push(`lost at ${now()}`);
          }
        }
      });
      const { lost, connections } = network.statistics();
      assert.equal(connections, 0);
      seen.push(`${lost} lost`);
    });
    return seen;
  };
  const first = await course(1);
  assert.ok(first.some((what) => what.startsWith("ok")) && first.some((what) => what.startsWith("lost")));
  assert.deepEqual(await course(1), first);
  assert.notDeepEqual(await course(2), first);
});

test("random is chance itself, asked where a seed would be", async () => {
  await virtually(async () => {
    const numbers = [0, 0.5, 0.25];
    const { a, b } = await connected({ latency: [10, 20], random: () => numbers.shift() ?? 0.9 });
    assert.equal(now(), 25);
    const sent = now();
    await a.write(numbered(1));
    await b.read();
    assert.equal(now() - sent, Math.ceil(12.5));
  });
});

test("N5 a latency or random that fails breaks the connection it was asked for, with the error as cause", async () => {
  await virtually(async () => {
    let answer: () => number = () => 1;
    const { network, a, b } = await connected({ latency: () => answer() });
    const oops = new Error("oops");
    answer = () => {
      throw oops;
    };
    const failed = [await rejection(a.write(numbered(1))), await rejection(b.read())];
    for (const error of failed) assert.ok(error instanceof BrokenError && error.cause === oops);
    answer = () => -1;
    const error = await rejection(network.host("a").connect("b", 80));
    assert.ok(error instanceof BrokenError && error.cause instanceof RangeError);
    assert.match(error.cause.message, /Cannot use -1 as latency of a network: wanted milliseconds from 0/);
    const { connections, waiting, bytesUnderWay } = network.statistics();
    assert.deepEqual([connections, waiting, bytesUnderWay], [0, 0, 0]);
  });
});

test("N5 a latency that fails when a partition is healed breaks what was held up", async () => {
  await virtually(async () => {
    let latency = 1;
    const { network, a, b } = await connected({ latency: () => latency });
    network.partition(["a"], ["b"]);
    await a.write(numbered(1));
    await sleep(10);
    latency = Number.NaN;
    network.heal();
    await assert.rejects(b.read(), BrokenError);
    await assert.rejects(a.read(), BrokenError);
  });
});

test("options that make no sense are refused", () => {
  const wrong: [options: unknown, type: typeof RangeError | typeof TypeError][] = [
    [null, TypeError],
    [{ latency: -1 }, RangeError],
    [{ latency: Infinity }, RangeError],
    [{ latency: [2, 1] }, TypeError],
    [{ latency: [1] }, TypeError],
    [{ latency: "1" }, TypeError],
    [{ bandwidth: 0 }, RangeError],
    [{ capacity: 0 }, RangeError],
    [{ segment: 1.5 }, RangeError],
    [{ lossRate: 1.1 }, RangeError],
    [{ giveUpAfter: 0 }, RangeError],
    [{ seed: 0.5 }, RangeError],
    [{ seed: "a" }, TypeError],
    [{ random: "4" }, TypeError],
  ];
  for (const [options, type] of wrong) {
    assert.throws(
      () => new SimulatedNetwork(options as SimulatedNetworkOptions),
      (error) => error instanceof type && /^Cannot use .* of a network: wanted /.test(error.message),
      JSON.stringify(options),
    );
  }
});
