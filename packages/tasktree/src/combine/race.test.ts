import assert from "node:assert/strict";
import { test } from "node:test";
import { virtually } from "../../test/virtual.ts";
import {
  CancelledError,
  checkpoint,
  currentTask,
  moveOnAfter,
  race,
  shield,
  sleep,
  sleepForever,
  suppressedErrors,
  TaskLocal,
  withCancelScope,
  WorkCancelledError,
} from "../index.ts";

test("B1b race() gives the value of the first to return", async () => {
  await virtually(async () => {
    const after = (ms: number) => async () => (await sleep(ms), ms);
    assert.equal(await race([after(30), after(10), after(20)]), 10);
    assert.equal(await race([after(5)]), 5);
    assert.equal(await race([() => undefined, sleepForever]), undefined);
  });
});

test("B1b race() rejects with the error of the first to throw", async () => {
  await virtually(async () => {
    const error = new Error("first");
    const failing = async () => {
      await sleep(10);
      throw error;
    };
    await assert.rejects(race([sleepForever, failing]), (thrown) => thrown === error);
    const thrower = () => {
      throw error;
    };
    await assert.rejects(race([sleepForever, thrower]), (thrown) => thrown === error);
  });
});

test("B1b the losers are cancelled, and have ended when race() settles", async () => {
  await virtually(async () => {
    const ended: string[] = [];
    const loser = (name: string, ms: number) => async () => {
      try {
        await sleepForever();
      } catch (error) {
        assert.ok(error instanceof CancelledError);
        await sleep(ms);
        ended.push(name);
        throw error;
      }
    };
    assert.equal(await race([loser("slow", 20), async () => (await sleep(10), "won"), loser("quick", 10)]), "won");
    assert.deepEqual(ended, ["quick", "slow"]);
  });
});

test("B1b race() of nothing rejects", async () => {
  await assert.rejects(race([]), RangeError);
  await assert.rejects(race(new Set<() => number>()), RangeError);
});

test("B1b race() cancelled from outside rejects with that cancellation when all have ended", async () => {
  await virtually(async () => {
    let ended = 0;
    const racer = async () => {
      try {
        await sleepForever();
      } finally {
        await sleep(5);
        ended++;
      }
    };
    await withCancelScope(async (scope) => {
      setTimeout(() => scope.cancel(), 1);
      await assert.rejects(race([racer, racer]), CancelledError);
    });
    assert.equal(ended, 2);
  });
});

test("B1c a failure of a loser's cleanup rejects the race, and the winner's value goes to onLoser", async () => {
  await virtually(async () => {
    const error = new Error("cleanup");
    const lost: unknown[] = [];
    const loser = async () => {
      try {
        await sleepForever();
      } finally {
        throw error;
      }
    };
    const winner = async () => (await sleep(10), "connection");
    await assert.rejects(race([winner, loser], { onLoser: (value) => lost.push(value) }), (thrown) => thrown === error);
    assert.deepEqual(lost, ["connection"]);
  });
});

test("B1c failures of several losers are all told", async () => {
  await virtually(async () => {
    const errors = [new Error("one"), new Error("two")];
    const losers = errors.map((error) => async () => {
      try {
        await sleepForever();
      } finally {
        throw error;
      }
    });
    await assert.rejects(race([...losers, () => sleep(10)]), (thrown) => {
      assert.equal(thrown, errors[0]);
      assert.deepEqual(suppressedErrors(thrown), [errors[1]]);
      return true;
    });
  });
});

test("B1c a loser that still returned a value gives it to onLoser", async () => {
  await virtually(async () => {
    const lost: unknown[] = [];
    const stubborn = async () => {
      await sleepForever().catch(() => undefined);
      return "stubborn";
    };
    const value = await race([stubborn, async () => (await sleep(10), "won")], {
      onLoser: (value) => lost.push(value),
    });
    assert.equal(value, "won");
    assert.deepEqual(lost, ["stubborn"]);
  });
});

test("B1c a value that came when the race was already cancelled from outside goes to onLoser", async () => {
  await virtually(async () => {
    const lost: unknown[] = [];
    const stubborn = async () => {
      await sleepForever().catch(() => undefined);
      return "late";
    };
    await moveOnAfter(10, () => race([stubborn], { onLoser: (value) => lost.push(value) }));
    assert.deepEqual(lost, ["late"]);
  });
});

test("B1c an onLoser that throws rejects the race, and the other losers' values are still given", async () => {
  await virtually(async () => {
    const error = new Error("cannot close");
    const lost: number[] = [];
    const stubborn = (value: number) => async () => {
      await sleepForever().catch(() => undefined);
      return value;
    };
    const onLoser = (value: number) => {
      lost.push(value);
      if (value === 1) throw error;
    };
    const racers = [stubborn(1), stubborn(2), async () => (await sleep(10), 0)];
    await assert.rejects(race(racers, { onLoser }), (thrown) => thrown === error);
    assert.deepEqual(
      lost.sort((a, b) => a - b),
      [0, 1, 2],
    );
  });
});

test("B1d of those that are ready at once the first in the list wins", async () => {
  await virtually(async () => {
    const ways: ((value: number) => () => number | Promise<number>)[] = [
      (value) => () => value,
      (value) => async () => (await sleep(10), value),
    ];
    for (const make of ways) {
      const lost: number[] = [];
      assert.equal(await race([1, 2, 3].map(make), { onLoser: (value) => lost.push(value) }), 1);
      assert.deepEqual(lost, [2, 3]);
    }
  });
});

test("B1d a value and an error that are ready at once: the first in the list decides", async () => {
  await virtually(async () => {
    const failing = async () => {
      await sleep(10);
      throw new Error("failed");
    };
    const fine = async () => (await sleep(10), "fine");
    await assert.rejects(race([failing, fine]), /failed/);
  });
});

test("B1d what was cancelled never wins, though it returns before the others", async () => {
  await virtually(async () => {
    const scoped = async () => {
      await moveOnAfter(5, sleepForever);
      await sleep(10);
      return "scoped";
    };
    assert.equal(await race([scoped, async () => (await sleep(20), "slow")]), "scoped");
    let settled = false;
    await moveOnAfter(10, async () => {
      await race([async () => (await checkpoint(), await sleepForever())]);
      settled = true;
    });
    assert.equal(settled, false);
  });
});

test("B1d functions that cancel themselves drop out, and the first of the others wins", async () => {
  await virtually(async () => {
    const quits = async () => {
      currentTask()!.cancel();
      await checkpoint();
      return "quit";
    };
    const slow = async () => (await sleep(10), "slow");
    assert.equal(await race([quits, slow, quits]), "slow");
    await assert.rejects(race([quits, quits]), {
      name: "WorkCancelledError",
      message: "Every function of the race was cancelled",
    });
    await assert.rejects(race([quits]), WorkCancelledError);
    await checkpoint();
  });
});

test("X2 onLoser is called in the context of the race's caller", async () => {
  await virtually(async () => {
    const local = new TaskLocal({ default: "none" });
    const seen: unknown[] = [];
    const stubborn = async () => {
      await sleepForever().catch(() => undefined);
      return 1;
    };
    await local.run("caller", () =>
      race([stubborn, () => sleep(10)], { onLoser: () => seen.push(local.get(), currentTask()?.name) }),
    );
    assert.deepEqual(seen, ["caller", "main"]);
  });
});

test("race() rejects what are no functions, before it calls any", async () => {
  let called = false;
  const call = () => (called = true);
  await assert.rejects(race([call, Promise.resolve(true) as unknown as () => boolean]), {
    name: "TypeError",
    message: /item 1 is a promise/,
  });
  await assert.rejects(race(undefined as unknown as []), TypeError);
  assert.equal(called, false);
});

test("B1c an onLoser that is asynchronous is awaited, also for a winner that nobody gets", async () => {
  await virtually(async () => {
    const log: string[] = [];
    const onLoser = async (value: string): Promise<void> => {
      await shield(() => sleep(5), { timeout: 100 });
      log.push(`${value} closed`);
    };
    const failure = new Error("cleanup");
    const slow = async (): Promise<string> => {
      try {
        return await sleepForever();
      } finally {
        throw failure;
      }
    };
    await assert.rejects(race([async () => (await sleep(1), "won"), slow], { onLoser }), failure);
    assert.deepEqual(log, ["won closed"]);

    const closing = new Error("closing");
    const both = race([async () => "won", slow], { onLoser: () => Promise.reject(closing) });
    await assert.rejects(both, failure);
    assert.deepEqual(suppressedErrors(failure), [closing]);
  });
});
