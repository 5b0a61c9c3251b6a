import assert from "node:assert/strict";
import { test } from "node:test";
import { RawClient, served, until } from "../../test/http-clients.ts";
import { runVirtual } from "../testing/index.ts";
import { sleep, withTaskGroup } from "../index.ts";
import { sse, type ServerSentEvent } from "./index.ts";

async function textOf(...events: (string | ServerSentEvent)[]): Promise<string> {
  return sse(events).text();
}

test("sse() writes events as the standard has them", async () => {
  assert.equal(await textOf("one"), "data: one\n\n");
  assert.equal(await textOf("a\nb\r\nc\rd"), "data: a\ndata: b\ndata: c\ndata: d\n\n");
  assert.equal(await textOf({ data: { n: [1] } }, { data: 5 }), 'data: {"n":[1]}\n\ndata: 5\n\n');
  assert.equal(
    await textOf({ event: "tick", id: "7", retry: 100, data: "" }),
    "event: tick\nid: 7\nretry: 100\ndata: \n\n",
  );
  const { headers } = sse([], { headers: { "x-a": "b" } });
  assert.deepEqual(Object.fromEntries(headers), {
    "cache-control": "no-cache",
    "content-type": "text/event-stream",
    "x-a": "b",
  });
});

test("sse() says what is wrong with an event, and with its arguments", async () => {
  const wrong: unknown[] = [{ event: "a\nb" }, { id: "a\0b" }, { event: 5 }, { data: Symbol("s") }];
  for (const event of wrong) await assert.rejects(textOf(event as ServerSentEvent), TypeError);
  await assert.rejects(textOf({ retry: -1 }), RangeError);
  assert.throws(() => sse(5 as never), TypeError);
  assert.throws(() => sse([], 5 as never), TypeError);
  assert.throws(() => sse([], { heartbeat: 0 }), RangeError);
});

test("sse() sends a comment when there was nothing else for the time of a heartbeat", () =>
  runVirtual(async () => {
    async function* events(): AsyncGenerator<string> {
      yield "first";
      await sleep(35);
      yield "second";
    }
    assert.equal(await sse(events(), { heartbeat: 10 }).text(), "data: first\n\n: \n\n: \n\n: \n\ndata: second\n\n");
  }));

test("sse() listens once to an event that takes long, however many heartbeats there are meanwhile", () =>
  runVirtual(async () => {
    const coming = Promise.withResolvers<IteratorResult<string>>();
    let listeners = 0;
    const { promise } = coming;
    const then = promise.then.bind(promise);
    promise.then = ((...args: Parameters<typeof then>) => {
      listeners++;
      return then(...args);
    }) as typeof promise.then;
    const events = { [Symbol.asyncIterator]: () => ({ next: () => promise }) };
    const reader = sse(events, { heartbeat: 10 }).body!.getReader();
    for (let i = 0; i < 20; i++) assert.equal(new TextDecoder().decode((await reader.read()).value), ": \n\n");
    assert.equal(listeners, 1);
    coming.resolve({ done: true, value: undefined });
    assert.equal((await reader.read()).done, true);
  }));

test("U4 sse() asks for no event before the client has room for it, and closes the iterator when the client leaves", async () => {
  let made = 0;
  let closed = false;
  function* events(): Generator<string> {
    try {
      for (;;) {
        made++;
        yield "x".repeat(100_000);
      }
    } finally {
      closed = true;
    }
  }
  await withTaskGroup(async (group) => {
    const listener = await served(group, () => sse(events()));
    const client = await RawClient.open(listener);
    client.socket.pause();
    client.get("/");
    let before = -1;
    while (made !== before || made === 0) {
      before = made;
      await sleep(50);
    }
    assert.ok(made < 300, `${made} events were made for somebody who reads none`);
    client.leave();
    await until(() => listener.statistics().requests === 0);
    assert.ok(closed);
  });
});

test("sse() breaks off with what the iterator throws", async () => {
  const failure = new Error("failed");
  async function* events(): AsyncGenerator<string> {
    yield "first";
    await sleep(1);
    throw failure;
  }
  await assert.rejects(sse(events()).text(), failure);
});
