/** What is a handler's failure when its client has gone, and what only says so. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../../../test/http-clients.ts";
import { servedSockets, WsClient } from "../../../test/web-sockets.ts";
import { any, BrokenError, sleep, suppressedErrors, withTaskGroup } from "../../index.ts";
import type { WebSocketHandler } from "./index.ts";

/** What onError is told of a handler whose client says good-bye with 4000. */
async function toldOf(handler: WebSocketHandler): Promise<unknown[]> {
  const errors: unknown[] = [];
  await withTaskGroup(async (group) => {
    const listener = await servedSockets(group, handler, { onError: (error) => errors.push(error), afterClose: 50 });
    const client = await WsClient.open(listener);
    client.socket.close(4000, "why");
    await until(() => listener.statistics().connections === 0);
    await sleep(5);
  });
  return errors;
}

const end: (socket: Parameters<WebSocketHandler>[0]) => Promise<never> = async (socket) => {
  const error = await socket.receive().catch((thrown: unknown) => thrown);
  assert.ok(error instanceof BrokenError);
  throw error;
};

test("webSocketUpgrade() passes over that the client has gone, alone and in compound errors", async () => {
  assert.deepEqual(await toldOf(end), []);
  const twice: WebSocketHandler = (socket) => any([() => end(socket), () => end(socket)]);
  assert.deepEqual(await toldOf(twice), []);
  const suppressed: WebSocketHandler = async (socket) => {
    const error = await end(socket).catch((thrown: unknown) => thrown);
    throw new SuppressedError(error, new AggregateError([error]), "both");
  };
  assert.deepEqual(await toldOf(suppressed), []);
});

test("webSocketUpgrade() tells onError of a cleanup that fails beside, though the client has gone", async () => {
  const errors = await toldOf((socket) =>
    withTaskGroup(async (group) => {
      for (const text of ["first", "second"]) {
        group.spawn(async () => {
          try {
            await sleep(60_000);
          } finally {
            throw new Error(`${text} cleanup failed`);
          }
        });
      }
      await end(socket);
    }),
  );
  assert.deepEqual(errors.map(String), ["Error: first cleanup failed"]);
  assert.deepEqual(suppressedErrors(errors[0]).map(String), ["Error: second cleanup failed"]);
});

test("webSocketUpgrade() tells onError of the failure in a compound error in which the client's end is another part", async () => {
  const errors = await toldOf(async (socket) => {
    const error = await end(socket).catch((thrown: unknown) => thrown);
    throw new AggregateError([error, new Error("cannot save"), error]);
  });
  assert.deepEqual(errors.map(String), ["Error: cannot save"]);
});

test("webSocketUpgrade() tells onError of an error of the handler's own, though the client's end is its cause", async () => {
  const errors = await toldOf(async (socket) => {
    const cause = await end(socket).catch((thrown: unknown) => thrown);
    throw new Error("cannot save the order", { cause });
  });
  assert.deepEqual(errors.map(String), ["Error: cannot save the order"]);
});

test("webSocketUpgrade() tells onError of a primitive that a handler throws, undefined too", async () => {
  for (const thrown of ["text", undefined]) {
    const errors = await toldOf(async () => {
      throw thrown;
    });
    assert.deepEqual(errors, [thrown]);
  }
});
