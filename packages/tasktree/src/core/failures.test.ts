/** Which failure leaves a group, and where the others are: rules K4 and K5. */
import assert from "node:assert/strict";
import { inspect } from "node:util";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  checkpoint,
  droppedErrors,
  isCancelled,
  sleep,
  sleepForever,
  suppressedErrors,
  withCancelScope,
  withTaskGroup,
} from "../index.ts";
import type { Instrument } from "../lowlevel.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";
import { cleaningUp } from "../../test/cleaning-up.ts";
import { failing } from "../../test/cleaning-up.ts";
import { failingInCleanup } from "../../test/cleaning-up.ts";

test("K4a whoever awaits a failed task sees its error, not the cancellation of the group", () =>
  virtually(async () => {
    const error = new Error("child");
    const seen: unknown[] = [];
    const group = withTaskGroup((group) => {
      const task = group.spawn(() => failing(error, 10));
      group.spawn(async () => {
        seen.push(await rejection(task));
      });
    });
    assert.equal(await rejection(group), error);
    assert.deepEqual(seen, [error]);
  }));

test("K4b the first failure cancels the rest, and the group rejects with that very error", () =>
  virtually(async () => {
    const error = Object.assign(new TypeError("first"), { detail: 1 });
    const seen: string[] = [];
    const group = withTaskGroup((group) => {
      group.spawn(() => cleaningUp(seen, "sibling"));
      group.spawn(() => failing(error, 5));
    });
    assert.equal(await rejection(group), error);
    assert.deepEqual(seen, ["sibling"]);
    assert.deepEqual(suppressedErrors(error), []);
  }));

test("K4b siblings are told why: the failure is the reason of their cancellation", () =>
  virtually(async () => {
    const error = new Error("first");
    let caught: unknown;
    const group = withTaskGroup((group) => {
      group.spawn(async () => {
        caught = await rejection(sleepForever());
        throw caught;
      });
      group.spawn(() => failing(error));
    });
    assert.equal(await rejection(group), error);
    assert.ok(isCancelled(caught));
    assert.equal(caught.why, "sibling failed");
    assert.equal(caught.reason, error);
  }));

test("K4c later failures are listed in order, shown when logged, and told to the instruments", async () => {
  const [first, second, third] = [new Error("first"), new Error("second"), new Error("third")];
  const told: unknown[] = [];
  const instrument: Instrument = { failureSuppressed: (error, primary) => told.push([error, primary]) };
  const main = virtually(
    () =>
      withTaskGroup((group) => {
        group.spawn(() => failing(first, 5));
        group.spawn(() => failingInCleanup(second));
        group.spawn(() => failingInCleanup(third));
      }),
    { instruments: [instrument] },
  );
  assert.equal(await rejection(main), first);
  assert.deepEqual(suppressedErrors(first), [second, third]);
  assert.deepEqual((first as object as { [key: symbol]: unknown })[Symbol.for("tasktree.suppressed")], [second, third]);
  assert.match(inspect(first), /second[^]*third/);
  assert.deepEqual(told, [
    [second, first],
    [third, first],
  ]);
});

test("K4c the failure of a block that is cut by a child's failure is listed too", () =>
  virtually(async () => {
    const [child, block] = [new Error("child"), new Error("block")];
    const group = withTaskGroup(async (group) => {
      group.spawn(() => failing(child, 5));
      await failingInCleanup(block);
    });
    assert.equal(await rejection(group), child);
    assert.deepEqual(suppressedErrors(child), [block]);
  }));

test("K4d the error itself, one that has it among its causes, and one listed already are not listed", () =>
  virtually(async () => {
    const first = new Error("first");
    const wrapped = new Error("wrapped", { cause: new Error("between", { cause: first }) });
    const other = new Error("other");
    const group = withTaskGroup((group) => {
      group.spawn(() => failing(first, 5));
      for (const error of [first, wrapped, other, other]) group.spawn(() => failingInCleanup(error));
    });
    assert.equal(await rejection(group), first);
    assert.deepEqual(suppressedErrors(first), [other]);
  }));

test("K4e of 150 more failures 100 are listed, and 50 counted", () =>
  virtually(async () => {
    const first = new Error("first");
    const group = withTaskGroup((group) => {
      group.spawn(() => failing(first, 5));
      for (let i = 0; i < 150; i++) group.spawn(() => failingInCleanup(new Error(String(i))));
    });
    assert.equal(await rejection(group), first);
    assert.equal(suppressedErrors(first).length, 100);
    assert.equal(droppedErrors(first), 50);
  }));

test("K4f the failures of nested groups come together on the first", () =>
  virtually(async () => {
    const [a, b, c] = [new Error("a"), new Error("b"), new Error("c")];
    const outer = withTaskGroup(async (outer) => {
      outer.spawn(() => failingInCleanup(c));
      await withTaskGroup((inner) => {
        inner.spawn(() => failing(a, 5));
        inner.spawn(() => failingInCleanup(b));
      });
    });
    assert.equal(await rejection(outer), a);
    assert.deepEqual(suppressedErrors(a), [b, c]);
  }));

test("K4f an inner group's list is found below the outer group's first error", () =>
  virtually(async () => {
    const [outermost, a, b] = [new Error("outermost"), new Error("a"), new Error("b")];
    const outer = withTaskGroup((outer) => {
      outer.spawn(() => failing(outermost, 5));
      outer.spawn(() =>
        withTaskGroup((inner) => {
          inner.spawn(() => failingInCleanup(a));
          inner.spawn(() => failingInCleanup(b));
        }),
      );
    });
    assert.equal(await rejection(outer), outermost);
    assert.deepEqual(suppressedErrors(outermost), [a, b]);
  }));

test("K4f a frozen error stays as it is, and its list is found", () =>
  virtually(async () => {
    const first = Object.freeze(new Error("frozen"));
    const second = new Error("second");
    const group = withTaskGroup((group) => {
      group.spawn(() => failing(first, 5));
      group.spawn(() => failingInCleanup(second));
    });
    assert.equal(await rejection(group), first);
    assert.deepEqual(suppressedErrors(first), [second]);
  }));

test("K4g a thrown primitive with others becomes an AggregateError of all", () =>
  virtually(async () => {
    const second = new Error("second");
    const group = withTaskGroup((group) => {
      group.spawn(() => failing("a string", 5));
      group.spawn(() => failingInCleanup(second));
    });
    const error = await rejection(group);
    assert.ok(error instanceof AggregateError);
    assert.deepEqual(error.errors, ["a string", second]);
  }));

test("K4g a thrown primitive alone, even undefined, is what the group rejects with", () =>
  virtually(async () => {
    for (const thrown of ["a string", 0, null, undefined]) {
      const group = withTaskGroup((group) => {
        group.spawn(() => failing(thrown));
      });
      const outcome = await group.then(
        () => "resolved",
        (error: unknown) => [error],
      );
      assert.deepEqual(outcome, [thrown]);
    }
  }));

test("K5a a failing child leaves its siblings alone, and all failures come in order, even a single one", () =>
  virtually(async () => {
    const [a, b] = [new Error("a"), new Error("b")];
    let finished = false;
    const group = withTaskGroup(
      (group) => {
        group.spawn(() => failing(b, 20));
        group.spawn(() => failing(a, 10));
        group.spawn(() => sleep(50).then(() => (finished = true)));
      },
      { failures: "collect" },
    );
    const error = await rejection(group);
    assert.ok(error instanceof AggregateError);
    assert.deepEqual(error.errors, [a, b]);
    assert.equal(finished, true);
    const single = await rejection(withTaskGroup((one) => void one.spawn(() => failing(a)), { failures: "collect" }));
    assert.ok(single instanceof AggregateError);
    assert.deepEqual(single.errors, [a]);
  }));

test("K5b a throwing block cancels the children", () =>
  virtually(async () => {
    const error = new Error("block");
    const seen: string[] = [];
    const group = withTaskGroup(
      async (group) => {
        group.spawn(() => cleaningUp(seen, "child"));
        await waitAllTasksBlocked();
        throw error;
      },
      { failures: "collect" },
    );
    const thrown = await rejection(group);
    assert.ok(thrown instanceof AggregateError);
    assert.deepEqual(thrown.errors, [error]);
    assert.deepEqual(seen, ["child"]);
  }));

test("K4a so does whoever asked for the outcome or the end", () =>
  virtually(async () => {
    const error = new Error("child");
    const seen: unknown[] = [];
    const group = withTaskGroup((group) => {
      const task = group.spawn(() => failing(error, 10));
      task.onEnd((outcome) => seen.push([outcome.status, group.cancelRequested]));
      group.spawn(async () => seen.push(await task.outcome()));
    });
    assert.equal(await rejection(group), error);
    assert.deepEqual(seen, [["failed", false], { status: "failed", error }]);
  }));

test("K4b a child that fails in the step in which it is cancelled fails the group all the same", () =>
  virtually(async () => {
    for (const order of ["fail first", "cancel first"]) {
      const error = new Error(order);
      const group = withTaskGroup((group) => {
        const gate = Promise.withResolvers<never>();
        group.spawn(() => gate.promise);
        if (order === "fail first") gate.reject(error);
        group.cancel();
        if (order === "cancel first") gate.reject(error);
      });
      assert.equal(await rejection(group), error);
    }
  }));

test("K4b of two failures in one step the first is thrown and the second listed", () =>
  virtually(async () => {
    const [first, second] = [new Error("first"), new Error("second")];
    const group = withTaskGroup((group) => {
      const gate = Promise.withResolvers<void>();
      group.spawn(() => gate.promise.then(() => failing(first)));
      group.spawn(() => gate.promise.then(() => failing(second)));
      gate.resolve();
    });
    assert.equal(await rejection(group), first);
    assert.deepEqual(suppressedErrors(first), [second]);
  }));

test("K4c what a task failed with besides is listed, and told to the instruments too", async () => {
  const [first, second] = [new Error("first"), new Error("second")];
  const told: unknown[] = [];
  const main = virtually(
    () =>
      withTaskGroup(async (group) => {
        group.spawn(async () => {
          const cut = await rejection(sleepForever());
          throw new AggregateError([cut, first, second]);
        });
        await waitAllTasksBlocked();
        group.cancel();
      }),
    { instruments: [{ failureSuppressed: (error, primary) => told.push([error, primary]) }] },
  );
  assert.equal(await rejection(main), first);
  assert.deepEqual(suppressedErrors(first), [second]);
  assert.deepEqual(told, [[second, first]]);
});

test("K4d an error that wraps the first in a block's catch is not listed", () =>
  virtually(async () => {
    const first = new Error("first");
    const group = withTaskGroup(async (group) => {
      const task = group.spawn(() => failing(first, 5));
      try {
        await task;
      } catch (error) {
        throw new Error("wrapped", { cause: error });
      }
    });
    assert.equal(await rejection(group), first);
    assert.deepEqual(suppressedErrors(first), []);
  }));

test("K4e the limit counts the failures of nested groups together", () =>
  virtually(async () => {
    const first = new Error("first");
    const outer = withTaskGroup((outer) => {
      for (let i = 0; i < 60; i++) outer.spawn(() => failingInCleanup(new Error(`outer ${i}`)));
      outer.spawn(() =>
        withTaskGroup((inner) => {
          for (let i = 0; i < 60; i++) inner.spawn(() => failingInCleanup(new Error(`inner ${i}`)));
          inner.spawn(() => failing(first, 5));
        }),
      );
    });
    assert.equal(await rejection(outer), first);
    assert.equal(suppressedErrors(first).length, 100);
    assert.equal(droppedErrors(first), 20);
  }));

test("K4f an error that nothing can be done to is thrown as it is", () =>
  virtually(async () => {
    const { proxy, revoke } = Proxy.revocable(new Error("revoked"), {});
    revoke();
    const second = new Error("second");
    const group = withTaskGroup((group) => {
      group.spawn(() => failing(proxy, 5));
      group.spawn(() => failingInCleanup(second));
      group.spawn(() => failingInCleanup(proxy));
    });
    const outcome = await group.then(
      () => false,
      (error: unknown) => error === proxy,
    );
    assert.equal(outcome, true);
    assert.deepEqual(suppressedErrors(proxy), [second]);
  }));

test("K4g a primitive that comes later is listed on the first error", () =>
  virtually(async () => {
    const first = new Error("first");
    const group = withTaskGroup((group) => {
      group.spawn(() => failing(first, 5));
      group.spawn(() => failingInCleanup("text"));
      group.spawn(() => failingInCleanup(undefined));
    });
    assert.equal(await rejection(group), first);
    assert.deepEqual(suppressedErrors(first), ["text", undefined]);
  }));

test("K5a services and unawaited attempts count, and nested groups keep their own", () =>
  virtually(async () => {
    const errors = ["service", "inner", "attempt"].map((name) => new Error(name));
    const group = withTaskGroup(
      async (group) => {
        group.spawn(() => failing(errors[0], 10), { service: true });
        group.attempt(() => failing(errors[2], 5));
        group.spawn(() =>
          withTaskGroup((inner) => void inner.spawn(() => failing(errors[1], 20)), { failures: "collect" }),
        );
        await sleep(30);
      },
      { failures: "collect" },
    );
    const error = await rejection(group);
    assert.ok(error instanceof AggregateError);
    const [first, inner, last] = error.errors as unknown[];
    assert.equal(first, errors[0]);
    assert.ok(inner instanceof AggregateError);
    assert.deepEqual(inner.errors, [errors[1]]);
    assert.equal(last, errors[2]);
  }));

test("K5a a primitive that two have thrown counts twice, an error that two have thrown once", () =>
  virtually(async () => {
    const error = new Error("shared");
    const group = withTaskGroup(
      (group) => {
        for (const thrown of ["again", error, "again", error, undefined, undefined]) {
          group.spawn(() => {
            throw thrown;
          });
        }
      },
      { failures: "collect" },
    );
    const aggregate = await rejection(group);
    assert.ok(aggregate instanceof AggregateError);
    assert.deepEqual(aggregate.errors, ["again", error, "again", undefined, undefined]);
  }));

test("K5a failures beat a cancellation also when they are collected", () =>
  virtually(async () => {
    const error = new Error("before");
    const scope = withCancelScope((scope) =>
      withTaskGroup(
        async (group) => {
          group.spawn(() => failing(error));
          await waitAllTasksBlocked();
          scope.cancel();
          await checkpoint();
        },
        { failures: "collect" },
      ),
    );
    const thrown = await rejection(scope);
    assert.ok(thrown instanceof AggregateError);
    assert.deepEqual(thrown.errors, [error]);
  }));

test("K5b the block's failure stands in the order of occurrence", () =>
  virtually(async () => {
    const [before, block, after] = [new Error("before"), new Error("block"), new Error("after")];
    const group = withTaskGroup(
      async (group) => {
        group.spawn(() => failing(before, 5));
        group.spawn(() => failingInCleanup(after));
        await sleep(10);
        throw block;
      },
      { failures: "collect" },
    );
    const thrown = await rejection(group);
    assert.ok(thrown instanceof AggregateError);
    assert.deepEqual(thrown.errors, [before, block, after]);
  }));
