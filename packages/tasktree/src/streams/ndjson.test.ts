import assert from "node:assert/strict";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import { LimitExceededError, moveOnAfter } from "../index.ts";
import { BufferedReader, memoryStreamPair, ndjson, writeJson, writeLine, type ByteSource } from "./index.ts";

async function holding(text: string): Promise<ByteSource> {
  const [source, feed] = memoryStreamPair({ capacity: Infinity });
  await feed.write(new TextEncoder().encode(text));
  await feed.close();
  return source;
}

test("ndjson() gives back what writeJson() wrote, value by value", async () => {
  const values = [{ a: 1 }, [2, "zwei\n"], "drei\r", null, 4.5, { nested: { 日本: ["語"] } }, false];
  const [source, feed] = memoryStreamPair({ capacity: Infinity });
  for (const value of values) await writeJson(feed, value);
  await feed.close();
  const got: unknown[] = [];
  for await (const value of ndjson(source)) got.push(value);
  assert.deepEqual(got, values);
});

test("ndjson() passes over empty lines, and takes \\r\\n and a last line without its end", async () => {
  const got: unknown[] = [];
  for await (const value of ndjson<number>(await holding("1\r\n\n  \r\n2\n3"))) got.push(value);
  assert.deepEqual(got, [1, 2, 3]);
});

test("ndjson() names the line that is no JSON, and can go on behind it", async () => {
  const values = ndjson(await holding(`1\n\n{"a": tru\n4\n${"x".repeat(100)}\n`));
  assert.deepEqual(await values.next(), { done: false, value: 1 });
  const error = await rejection(values.next());
  assert.ok(error instanceof SyntaxError && error.cause instanceof SyntaxError);
  assert.equal(error.message, String.raw`Cannot read line 3 as JSON: "{\"a\": tru"`);
  assert.deepEqual(await values.next(), { done: false, value: 4 });
  await assert.rejects(values.next(), /line 5 as JSON: "x{57}\.\.\."$/);
  assert.deepEqual(await values.next(), { done: true, value: undefined });
});

test("ndjson() has a limit for a line, and leaves what is longer to its reader", async () => {
  await assert.rejects(ndjson(await holding('"12345"\n'), { limit: 6 }).next(), LimitExceededError);
  const reader = new BufferedReader(await holding('"12345"\n7'));
  assert.deepEqual(await ndjson(reader).next(), { done: false, value: "12345" });
  assert.equal(await reader.readLine(), "7");
});

test("C3a a step of ndjson() cut while it waits leaves what has come to the next", async () => {
  await virtually(async () => {
    const [source, feed] = memoryStreamPair();
    const values = ndjson(source);
    await feed.write(new TextEncoder().encode('{"a":'));
    assert.equal(await moveOnAfter(10, () => values.next()), undefined);
    await feed.write(new TextEncoder().encode("1}\n"));
    assert.deepEqual(await values.next(), { done: false, value: { a: 1 } });
  });
});

test("writeJson() refuses what JSON has no word for, and writes nothing", async () => {
  const [sink] = memoryStreamPair();
  for (const value of [undefined, () => 1, Symbol("s"), 1n]) await assert.rejects(writeJson(sink, value), TypeError);
  await assert.rejects(
    writeJson(sink, undefined),
    /^TypeError: Cannot write undefined as JSON: JSON has no word for it$/,
  );
  assert.equal(sink.bytesWritten, 0);
});

test("writeLine() writes one line, and refuses what would be two", async () => {
  const [sink, drain] = memoryStreamPair();
  for (const line of ["a\nb", "a\r", "\r\n"]) await assert.rejects(writeLine(sink, line), RangeError);
  await assert.rejects(writeLine(sink, "a\nb"), /Cannot write "a\\nb" as a line: it has a line break at 1$/);
  await assert.rejects(writeLine(sink, 7 as never), TypeError);
  for (const line of ["größe", "", "x"]) await writeLine(sink, line);
  await sink.close();
  const lines: string[] = [];
  for await (const line of new BufferedReader(drain).lines()) lines.push(line);
  assert.deepEqual(lines, ["größe", "", "x"]);
});
