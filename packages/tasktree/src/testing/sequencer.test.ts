import assert from "node:assert/strict";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  all,
  BrokenError,
  CancelledError,
  InvalidStateError,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
} from "../index.ts";
import { Sequencer, waitAllTasksBlocked } from "./index.ts";

test("Sequencer.at() lets positions go on in order, each when the one before has finished", async () => {
  await virtually(async () => {
    const sequencer = new Sequencer();
    const log: string[] = [];
    const step = (position: number) => async () => {
      using _turn = await sequencer.at(position);
      log.push(`${position} begins`);
      await sleep(10 - position);
      log.push(`${position} ends`);
    };
    await all([3, 1, 0, 2].map(step));
    assert.deepEqual(
      log,
      [0, 1, 2, 3].flatMap((position) => [`${position} begins`, `${position} ends`]),
    );
    assert.deepEqual(sequencer.statistics(), { next: 4, waiting: 0, broken: false });
  });
});

test("Sequencer: one task may be at several positions between those of others", async () => {
  await virtually(async () => {
    const sequencer = new Sequencer();
    const log: string[] = [];
    const visit = async (name: string, position: number) => {
      using _turn = await sequencer.at(position);
      log.push(`${name}${position}`);
    };
    await all([
      async () => {
        for (const position of [0, 2, 4]) await visit("a", position);
      },
      async () => {
        for (const position of [1, 3, 5]) await visit("b", position);
      },
    ]);
    assert.deepEqual(log, ["a0", "b1", "a2", "b3", "a4", "b5"]);
  });
});

test("Sequencer.at() is over once, however often its turn is disposed of", async () => {
  await virtually(async () => {
    const sequencer = new Sequencer();
    const first = await sequencer.at(0);
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    assert.equal(sequencer.statistics().next, 1);
  });
});

test("Sequencer.at() rejects a position that somebody was at before, whether his turn is over or not", async () => {
  await virtually(async () => {
    const sequencer = new Sequencer({ name: "steps" });
    const again = {
      name: "InvalidStateError",
      message: "Cannot be at 0 of sequencer 'steps' (at 0): somebody was there before",
    };
    const turn = await sequencer.at(0);
    await assert.rejects(sequencer.at(0), again);
    turn[Symbol.dispose]();
    await assert.rejects(sequencer.at(0), InvalidStateError);
    await withTaskGroup(async (group) => {
      group.spawn(() => sequencer.at(2)).onEnd(() => {});
      await assert.rejects(sequencer.at(2), InvalidStateError);
      group.cancel();
    }).catch(() => undefined);
  });
});

test("Sequencer.at() rejects what is no position", async () => {
  await virtually(async () => {
    const sequencer = new Sequencer();
    for (const position of [-1, 0.5, Number.NaN, Infinity, "1" as never])
      await assert.rejects(sequencer.at(position), RangeError);
    await assert.rejects(sequencer.at(-1), {
      message: "Cannot be at -1 of sequencer (at 0): wanted a whole number from 0",
    });
    assert.deepEqual(sequencer.statistics(), { next: 0, waiting: 0, broken: false });
  });
});

test("C3a Sequencer.at() cut on entry has had no effect", async () => {
  await virtually(async () => {
    const sequencer = new Sequencer();
    await withCancelScope(async (scope) => {
      scope.cancel();
      await assert.rejects(sequencer.at(0), CancelledError);
    });
    assert.deepEqual(sequencer.statistics(), { next: 0, waiting: 0, broken: false });
    using _turn = await sequencer.at(0);
  });
});

test("Sequencer.at() cut while it waits breaks the sequence for who waits and who comes", async () => {
  await virtually(async () => {
    const sequencer = new Sequencer();
    await withTaskGroup(async (group) => {
      const turn = await sequencer.at(0);
      const cut = group.spawn(() => sequencer.at(1));
      const waiting = group.attempt(() => sequencer.at(2));
      await waitAllTasksBlocked();
      assert.deepEqual(sequencer.statistics(), { next: 0, waiting: 2, broken: false });
      cut.cancel();
      assert.equal((await cut.outcome()).status, "cancelled");
      assert.ok((await rejection(waiting)) instanceof BrokenError);
      await assert.rejects(sequencer.at(3), {
        name: "BrokenError",
        message: "Cannot be at 3 of sequencer (at 0, broken): somebody was cancelled who waited there",
      });
      turn[Symbol.dispose]();
      await assert.rejects(sequencer.at(4), BrokenError);
    });
    assert.deepEqual(sequencer.statistics(), { next: 1, waiting: 0, broken: true });
  });
});

test("C3 who waits at positions of one Sequencer and is cancelled together with others fails nothing", async () => {
  await virtually(async () => {
    const sequencer = new Sequencer();
    const value = await withCancelScope(async (scope) => {
      await all([
        ...[2, 1, 3].map((position) => () => sequencer.at(position)),
        async () => {
          await waitAllTasksBlocked();
          scope.cancel();
        },
      ]);
    });
    assert.equal(value, undefined);
    assert.deepEqual(sequencer.statistics(), { next: 0, waiting: 0, broken: true });
  });
});

test("C3b Sequencer.at() cut just as its turn has come has it, and the sequence goes on", async () => {
  await virtually(async () => {
    const sequencer = new Sequencer();
    await withTaskGroup(async (group) => {
      const turn = await sequencer.at(0);
      const next = group.spawn(async () => {
        using _turn = await sequencer.at(1);
        return "had it";
      });
      const last = group.spawn(async () => {
        using _turn = await sequencer.at(2);
      });
      await waitAllTasksBlocked();
      turn[Symbol.dispose]();
      next.cancel();
      assert.equal(await next, "had it");
      await last;
    });
    assert.deepEqual(sequencer.statistics(), { next: 3, waiting: 0, broken: false });
  });
});

test("Sequencer names itself and the position in reports", async () => {
  await virtually(async () => {
    const sequencer = new Sequencer({ name: "steps" });
    await sequencer.at(0);
    await withTaskGroup(async (group) => {
      group.spawn(() => sequencer.at(1), { name: "late" });
      group.spawn(sleepForever);
      await waitAllTasksBlocked();
      assert.equal(sequencer.describe(), "sequencer 'steps' (at 0)");
      group.cancel();
    }).catch(() => undefined);
  });
});
