/** The signal of code that cleans up: rule C7d. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  checkpoint,
  currentSignal,
  isCancelled,
  moveOnAfter,
  now,
  run,
  sleepForever,
  withCancelScope,
} from "../index.ts";

// --- C7d

test("C7d in an unwinding node currentSignal() is not aborted, and aborts at the cut-off", () =>
  virtually(async () => {
    await withCancelScope(
      async (scope) => {
        scope.cancel();
        const error = await rejection(checkpoint());
        const signal = currentSignal();
        assert.equal(scope.signal.aborted, true);
        assert.equal(signal.aborted, false);
        assert.equal(currentSignal(), signal);
        let at = NaN;
        signal.addEventListener("abort", () => (at = now()));
        await rejection(sleepForever());
        assert.equal(at, 100);
        assert.equal(signal.reason, error);
        assert.equal(currentSignal().aborted, true);
      },
      { grace: 100 },
    );
  }));

test("C7d a signal taken before the cancellation is aborted by it, whatever the node's state", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      const before = currentSignal();
      scope.cancel();
      await rejection(checkpoint());
      assert.equal(before.aborted, true);
      assert.equal(currentSignal().aborted, false);
    });
  }));

test("C7d a scope opened while unwinding has a signal of its own, which a bound in cleanup aborts", () =>
  virtually(async () => {
    const log: unknown[] = [];
    await withCancelScope(async (scope) => {
      scope.cancel();
      try {
        await checkpoint();
      } finally {
        await rejection(
          moveOnAfter(50, async (bound) => {
            assert.equal(bound.signal.aborted, false);
            assert.equal(currentSignal().aborted, false);
            currentSignal().addEventListener("abort", () => log.push(now()));
            await sleepForever();
          }),
        );
      }
    });
    assert.deepEqual(log, [50]);
  }));

test("C7d a later cancellation further in aborts the signal of cleanup, and gives a new one", () =>
  virtually(async () => {
    await withCancelScope(async (outer) => {
      await rejection(
        withCancelScope(async (inner) => {
          outer.cancel();
          await rejection(checkpoint());
          const first = currentSignal();
          inner.cancel();
          await rejection(checkpoint());
          assert.equal(first.aborted, true);
          assert.equal(currentSignal().aborted, false);
          await checkpoint();
          throw outer.signal.reason;
        }),
      );
    });
  }));

test("C7d a signal asked for in the very step of a later cancellation is not the one that is about to abort", () =>
  virtually(async () => {
    await withCancelScope(async (outer) => {
      await rejection(
        withCancelScope(async (inner) => {
          outer.cancel();
          await rejection(checkpoint());
          const first = currentSignal();
          const wait = rejection(sleepForever());
          // its wait is cut, so the node is told: from here on it unwinds anew
          inner.cancel();
          const second = currentSignal();
          await wait;
          assert.equal(first.aborted, true);
          assert.equal(second.aborted, false);
          throw outer.signal.reason;
        }),
      );
    });
  }));

async function withServer<T>(
  handler: Parameters<typeof createServer>[1],
  use: (url: string, server: Server) => Promise<T>,
): Promise<T> {
  const server = createServer(handler);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, server);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test("C7d fetch in a finally works until the cut-off", () =>
  withServer(
    (_request, response) => void response.end("released"),
    (url) =>
      run(
        async () => {
          let text = "";
          await withCancelScope(async (scope) => {
            scope.cancel();
            try {
              await fetch(url, { signal: currentSignal() });
            } finally {
              await rejection(checkpoint());
              text = await (await fetch(url, { signal: currentSignal() })).text();
            }
          });
          assert.equal(text, "released");
        },
        { host: false },
      ),
  ));

test("C7d a fetch in a finally is ended by the cut-off, with the error", () =>
  withServer(
    () => {},
    (url) =>
      virtually(
        async () => {
          let thrown: unknown;
          await withCancelScope(async (scope) => {
            scope.cancel();
            const error = await rejection(checkpoint());
            thrown = await rejection(fetch(url, { signal: currentSignal() }));
            assert.equal(thrown, error);
            throw thrown;
          });
          assert.ok(isCancelled(thrown));
        },
        { grace: 50 },
      ),
  ));
