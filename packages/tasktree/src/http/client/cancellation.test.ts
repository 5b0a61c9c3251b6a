import assert from "node:assert/strict";
import test, { describe } from "node:test";
import { ClientSockets, withBoth } from "../../../test/client-and-server.ts";
import { echo } from "../../../test/http-server.ts";
import { until } from "../../../test/files.ts";
import { randomFrom } from "../../../test/random.ts";
import { rejection } from "../../../test/rejection.ts";
import { skipOn } from "../../../test/runtime.ts";
import {
  all,
  BrokenError,
  CancelledError,
  ClosedError,
  moveOnAfter,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
} from "../../index.ts";
import type { HttpClient } from "./index.ts";

describe("HttpClient", skipOn({ bun: "its undici has no connections" }), () => {
  test("C3a a request in a cancelled scope is not made", () =>
    withBoth(echo, async (client, server) => {
      await withCancelScope(async (scope) => {
        scope.cancel();
        await assert.rejects(client.get("/"), CancelledError);
      });
      assert.equal(server.opened, 0);
    }));

  test("C2a cancelling a request closes its connection: while it waits for the headers, and for the body", () =>
    withBoth(
      (request, response) => {
        if (request.url === "/body") response.write("half");
      },
      async (client, server) => {
        for (const path of ["/headers", "/body"]) {
          await withTaskGroup(async (group) => {
            const task = group.spawn(async () => (await client.get(path)).text());
            await server.requested();
            await sleep(10);
            task.cancel();
            assert.equal((await task.outcome()).status, "cancelled");
            assert.deepEqual(client.statistics(), { running: 0, idle: 0, waiting: 0 });
          });
          await until(() => server.open.size === 0, "the server sees the connection closed");
        }
      },
    ));

  test("C7b the end of the scope that asked ends the body, whoever reads it", () =>
    withBoth(
      (_, response) => void response.write("half"),
      async (client, server) => {
        await withTaskGroup(async (group) => {
          const [response] = await group.start<[Awaited<ReturnType<HttpClient["get"]>>]>(
            async (started) => {
              started([await client.get("/")]);
              await sleepForever();
            },
            { name: "asker", service: true },
          );
          assert.equal((await response.body.read())!.length, 4);
          const reading = group.attempt(async () => response.body.read());
          await sleep(5);
          assert.equal(reading.status, "running");
          await response.body.close();
          await assert.rejects(Promise.resolve(reading), ClosedError);
        });
        await withTaskGroup(async (group) => {
          let response: Awaited<ReturnType<HttpClient["get"]>> | undefined;
          const asker = group.spawn(async () => {
            response = await client.get("/");
            await sleepForever();
          });
          await until(() => response !== undefined, "an answer");
          asker.cancel();
          await asker.outcome();
          const error = await rejection(response!.text());
          assert.ok(error instanceof BrokenError && error.cause instanceof CancelledError, String(error));
        });
        assert.equal(client.statistics().running, 0);
        await until(() => server.open.size === 0, "the connection is closed");
      },
    ));

  test("C7d a request in cleanup after a cancellation works until grace is over", () =>
    withBoth(
      (request, response) => {
        if (request.url === "/farewell") response.end("bye");
      },
      async (client) => {
        const seen: unknown[] = [];
        await withCancelScope(
          async (scope) => {
            scope.cancel();
            try {
              await sleepForever();
            } finally {
              seen.push(await (await client.get("/farewell")).text());
              seen.push((await rejection(client.get("/never"))) instanceof CancelledError);
            }
          },
          { grace: 100 },
        );
        assert.deepEqual(seen, ["bye", true]);
      },
    ));

  test("U7 a request that waits for a connection can be cancelled, and the next gets its place", () =>
    withBoth(
      (request, response) => {
        if (request.url !== "/stuck") response.end("answer");
      },
      async (client, server) => {
        await withTaskGroup(async (group) => {
          const stuck = group.spawn(() => client.get("/stuck"));
          await server.requested();
          const second = group.spawn(() => client.get("/second"));
          const third = group.spawn(async () => (await client.get("/third")).text());
          await sleep(5);
          assert.equal(client.statistics().waiting, 2);
          second.cancel();
          stuck.cancel();
          assert.equal(await third, "answer");
        });
        assert.deepEqual(server.requests, ["GET /stuck", "GET /third"]);
      },
      { maxConnections: 1 },
    ));

  test("U7 1,000 requests cancelled at random moments leave no connection and hold up nobody", () =>
    withBoth(
      (_, response) => {
        response.write("x".repeat(20_000));
        setTimeout(() => response.end("x".repeat(20_000)), 1);
      },
      async (client, server) => {
        using sockets = new ClientSockets();
        const random = randomFrom(11);
        let finished = 0;
        const one = async (): Promise<void> => {
          const ms = random(10) === 0 ? Infinity : random(150) / 2; // some finish however busy the machine is
          const done = await moveOnAfter(ms, async () => (await client.get("/")).bytes());
          if (done !== undefined) finished++;
          const { running, idle } = client.statistics();
          assert.ok(running + idle <= 10);
        };
        await all(
          Array.from({ length: 1000 }, () => one),
          { limit: 40 },
        );
        assert.deepEqual({ ...client.statistics(), idle: 0 }, { running: 0, idle: 0, waiting: 0 });
        assert.ok(sockets.most <= 10, `${sockets.most} connections`);
        assert.ok(finished > 0 && finished < 1000, `${finished} finished`);
        assert.ok(server.opened > 20);
        assert.equal((await (await client.get("/")).bytes()).length, 40_000);
        await client.close();
        await until(() => server.open.size === 0, "no connection is left");
      },
      { maxConnections: 10 },
    ));
});
