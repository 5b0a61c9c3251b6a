import assert from "node:assert/strict";
import { test } from "node:test";
import { randomFrom } from "../../test/random.ts";
import { rejection } from "../../test/rejection.ts";
import { numbered } from "../../test/stream-conformance.ts";
import { virtually } from "../../test/virtual.ts";
import {
  BrokenError,
  BusyError,
  CancelledError,
  checkpoint,
  ClosedError,
  IncompleteReadError,
  LimitExceededError,
  moveOnAfter,
  run,
  sleep,
  withCancelScope,
  withTaskGroup,
} from "../index.ts";
import { explore, waitAllTasksBlocked } from "../testing/index.ts";
import { BufferedReader, memoryStreamPair, type BufferedReaderOptions, type ByteStream } from "./index.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (read: Uint8Array | undefined): string | undefined =>
  read === undefined ? undefined : new TextDecoder().decode(read);

/** A reader and the end that feeds it. */
function reading(options: BufferedReaderOptions = {}): [BufferedReader, ByteStream] {
  const [here, there] = memoryStreamPair({ capacity: Infinity });
  return [new BufferedReader(here, options), there];
}

/** A reader of all that is given, in pieces of so many bytes, and then the end. */
async function readerOf(
  given: string | Uint8Array,
  size = Infinity,
  options: BufferedReaderOptions = {},
): Promise<BufferedReader> {
  const all = typeof given === "string" ? bytes(given) : given;
  const [here, there] = memoryStreamPair({ capacity: Infinity });
  await there.write(all);
  await there.close();
  const read = here.read.bind(here);
  here.read = (max = Infinity) => read(Math.min(max, size));
  return new BufferedReader(here, options);
}

async function linesOf(reader: BufferedReader): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of reader.lines()) lines.push(line);
  return lines;
}

// --- what is read

test("N1 BufferedReader gives what was written, however it is asked and in whatever pieces it comes", async () => {
  await virtually(async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = randomFrom(seed);
      const letters = ["a", "b", "c", "é", "€", "😀", "\n", "\r\n", "--", "-", "x".repeat(random(300)), "\r"];
      let whole = "";
      for (let left = random(400); left > 0; left--) whole += letters[random(letters.length)]!;
      const all = bytes(whole);
      const reader = await readerOf(all, 1 + random(40));
      let at = 0;
      while (at < all.length) {
        const rest = all.subarray(at);
        const place = `seed ${seed}, at ${at} of ${all.length}`;
        const how = random(5);
        if (how === 0) {
          const count = random(Math.min(50, rest.length + 1));
          assert.deepEqual(await reader.readExactly(count), rest.slice(0, count), place);
          at += count;
        } else if (how === 1) {
          const end = Buffer.from(rest).indexOf("--");
          if (end === -1) continue;
          assert.deepEqual(await reader.readUntil("--"), rest.slice(0, end), place);
          at += end + 2;
        } else if (how === 2) {
          const chunk = (await reader.read(1 + random(30)))!;
          assert.ok(chunk.length > 0);
          assert.deepEqual(chunk, rest.slice(0, chunk.length), place);
          at += chunk.length;
        } else {
          const lines = how === 3 ? 1 : 1 + random(9);
          for (let count = 0; count < lines && at < all.length; count++) {
            const end = all.indexOf(10, at);
            const stop = end === -1 ? all.length : end;
            const line = text(all.subarray(at, stop))!;
            const wanted = end === -1 ? line : line.replace(/\r$/, "");
            assert.equal(await reader.readLine(), wanted, place);
            at = Math.min(stop + 1, all.length);
          }
        }
        assert.equal(reader.statistics().bytesRead, at, place);
      }
      assert.deepEqual(
        [await reader.hasMore(), await reader.readLine(), await reader.read()],
        [false, undefined, undefined],
      );
    }
  });
});

test("N1 lines() ends lines at \\n and \\r\\n, wherever chunks end, and gives a last line without", async () => {
  const whole = "one\r\n\r\ntwo\n\nthr\ree\n…😀 fünf\r\nlast";
  for (let size = 1; size <= 12; size++) {
    assert.deepEqual(await linesOf(await readerOf(whole, size)), ["one", "", "two", "", "thr\ree", "…😀 fünf", "last"]);
    assert.deepEqual(await linesOf(await readerOf(`${whole}\n`, size)).then((lines) => lines.length), 7);
  }
  assert.deepEqual(await linesOf(await readerOf("")), []);
  assert.deepEqual(await linesOf(await readerOf("\n")), [""]);
});

test("N1 a \\r without a \\n behind it is part of its line, of the last one too", async () => {
  for (let size = 1; size <= 7; size++)
    assert.deepEqual(await linesOf(await readerOf("a\r\r\nb\r", size)), ["a\r", "b\r"]);
});

test("N1 lines() gives many lines of many chunks in order", async () => {
  const lines = Array.from({ length: 5000 }, (_, index) => `${index} ${"é".repeat(index % 97)}`);
  for (const size of [1000, 65_536])
    assert.deepEqual(await linesOf(await readerOf(`${lines.join("\r\n")}\r\n`, size)), lines);
});

test("readLine() leaves out a byte order mark at the beginning, and nowhere else", async () => {
  assert.deepEqual(await linesOf(await readerOf("\ufeffone\n\ufefftwo\n", 1)), ["one", "\ufefftwo"]);
});

test("readLine() puts U+FFFD for what is no UTF-8, line by line, unless the reader is fatal", async () => {
  const wrong = Uint8Array.of(0xe2, 0x82, 10, 0x61, 0xff, 10, 0x62, 10);
  assert.deepEqual(await linesOf(await readerOf(wrong)), ["\ufffd", "a\ufffd", "b"]);
  const reader = await readerOf(wrong, Infinity, { fatal: true });
  await assert.rejects(reader.readLine(), /^TypeError: Cannot read a line of 2 bytes: they are not valid utf-8$/);
  assert.deepEqual(await reader.readUntil("\n"), wrong.slice(0, 2));
});

test("a fatal reader gives the lines before the one that is wrong, though they are decoded together", async () => {
  const good = Array.from({ length: 40 }, (_, index) => `line ${index}`);
  const all = new Uint8Array([...bytes(`${good.join("\n")}\n`), 0xff, 10, 0x61]);
  const reader = await readerOf(all, Infinity, { fatal: true });
  for (const line of good) assert.equal(await reader.readLine(), line);
  await assert.rejects(reader.readLine(), TypeError);
  await assert.rejects(reader.readLine(), TypeError);
  assert.deepEqual(await reader.readUntil("\n"), Uint8Array.of(0xff));
  assert.deepEqual([await reader.readLine(), await reader.readLine()], ["a", undefined]);
});

test("BufferedReader reads lines in other encodings, but for those whose lines cannot be found", async () => {
  const reader = await readerOf(Uint8Array.of(0xe9, 10, 0xe8), Infinity, { encoding: "latin1" });
  assert.deepEqual(await linesOf(reader), ["é", "è"]);
  const [source] = memoryStreamPair();
  for (const encoding of ["utf-16", "utf-16be", "no-such"])
    assert.throws(() => new BufferedReader(source, { encoding }), RangeError);
  assert.throws(() => new BufferedReader(source, { encoding: "utf-16" }), /Cannot read lines in "utf-16": wanted/);
});

test("readUntil() takes the delimiter and does not give it, also one that comes in pieces", async () => {
  for (let size = 1; size <= 9; size++) {
    const reader = await readerOf("a\r\n\r\r\n\r\nb\r\n\r\n", size);
    assert.equal(text(await reader.readUntil("\r\n\r\n")), "a\r\n\r");
    assert.equal(text(await reader.readUntil(bytes("\r\n\r\n"))), "b");
    assert.equal(await reader.readUntil("\r\n\r\n"), undefined);
  }
});

test("readAll() gives everything, and an empty array at the end", async () => {
  const reader = await readerOf(numbered(300_000));
  assert.deepEqual(await reader.readExactly(5), numbered(5));
  assert.deepEqual(await reader.readAll(), numbered(299_995, 5));
  assert.deepEqual([await reader.readAll(), await reader.readExactly(0)], [new Uint8Array(0), new Uint8Array(0)]);
});

test("N1 what BufferedReader gives are arrays of their own", async () => {
  const reader = await readerOf("abcdef\n");
  const two = await reader.readExactly(2);
  two.fill(0);
  assert.deepEqual([two.buffer.byteLength, await reader.readLine()], [2, "cdef"]);
});

test("a Buffer that a source gives is read like any array", async () => {
  const [source] = memoryStreamPair();
  const chunks = [Buffer.from("..one\ntwo..").subarray(2, 9), undefined];
  source.read = async () => chunks.shift();
  const reader = new BufferedReader(source);
  const first = await reader.readExactly(2);
  first.fill(0);
  assert.deepEqual([first.constructor, await reader.readLine(), await reader.readLine()], [Uint8Array, "e", "two"]);
});

test("what comes in many pieces is searched once, not again with each piece", async () => {
  const pieces = 5000;
  for (const read of [
    (reader: BufferedReader) => reader.readLine(),
    (reader: BufferedReader) => reader.readUntil("\r\n"),
    (reader: BufferedReader) => reader.lines().next(),
  ]) {
    const [source] = memoryStreamPair();
    let at = 0;
    source.read = async () => (at === pieces ? bytes("\r\n") : (at++, bytes("a")));
    assert.ok((await countSearched(() => read(new BufferedReader(source)))) < 4 * pieces);
  }
});

/** Through how many bytes `Uint8Array.indexOf` goes meanwhile. */
async function countSearched(fn: () => Promise<unknown>): Promise<number> {
  const shared: Uint8Array = Uint8Array.prototype;
  const { indexOf } = shared;
  let count = 0;
  shared.indexOf = function (this: Uint8Array, wanted: number, from = 0) {
    const found = indexOf.call(this, wanted, from);
    count += (found === -1 ? this.length : found) - from;
    return found;
  };
  try {
    await fn();
  } finally {
    shared.indexOf = indexOf;
  }
  return count;
}

// --- ends and limits

test("N7 readExactly() that meets the end tells what had come, and leaves it there", async () => {
  const reader = await readerOf("abc", 1, { name: "pipe" });
  const error = await rejection(reader.readExactly(5));
  assert.ok(error instanceof IncompleteReadError);
  assert.equal(error.message, "Cannot read 5 bytes from stream 'pipe': it ended after 3 bytes");
  assert.deepEqual([text(error.partial), error.expected], ["abc", 5]);
  error.partial.fill(0);
  assert.equal(text(await reader.read()), "abc");
  const empty = await rejection(reader.readExactly(1));
  assert.ok(empty instanceof IncompleteReadError && empty.partial.length === 0);
});

test("N7 readUntil() that meets the end tells what had come, and leaves it there", async () => {
  const reader = await readerOf("abc--def-", 2);
  assert.equal(text(await reader.readUntil("--")), "abc");
  const error = await rejection(reader.readUntil("--"));
  assert.ok(error instanceof IncompleteReadError);
  assert.equal(error.message, 'Cannot read up to "--" from the stream: it ended after 4 bytes');
  assert.deepEqual([text(error.partial), error.expected], ["def-", undefined]);
  assert.deepEqual([await reader.readLine(), await reader.readUntil("--")], ["def-", undefined]);
});

test("N7 a line of as many bytes as the limit is read, one of more is an error and stays, in whatever pieces", async () => {
  for (let size = 1; size <= 9; size++) {
    for (const end of ["", "\nmore", "\r\nmore"]) {
      const fits = await readerOf(`abcde${end}`, size, { limit: 5 });
      assert.equal(await fits.readLine(), "abcde");
      const long = await readerOf(`abcdef${end}`, size, { limit: 5 });
      for (let again = 0; again < 2; again++) {
        const error = await rejection(long.readLine());
        assert.ok(error instanceof LimitExceededError && error.limit === 5);
        assert.equal(error.message, "Cannot read a line from the stream: more than 5 bytes");
      }
      assert.equal(text(await long.readAll()), `abcdef${end}`);
    }
    for (const tooLong of ["abcde\r", "abcde\rf\n"])
      await assert.rejects((await readerOf(tooLong, size, { limit: 5 })).readLine(), LimitExceededError);
  }
});

test("readUntil() has the reader's limit or its own, before the delimiter", async () => {
  for (let size = 1; size <= 9; size++) {
    const reader = await readerOf("abcd--efgh--", size, { limit: 3 });
    const error = await rejection(reader.readUntil("--"));
    assert.ok(error instanceof LimitExceededError && error.limit === 3);
    assert.equal(error.message, 'Cannot read up to "--" from the stream: more than 3 bytes');
    assert.equal(text(await reader.readUntil("--", { limit: 4 })), "abcd");
    await assert.rejects(reader.readUntil("--", { limit: 3 }), LimitExceededError);
    assert.equal(text(await reader.readAll()), "efgh--");
  }
});

test("N7 readAll() stops at its limit, and leaves what had come", async () => {
  const reader = await readerOf(numbered(200_000));
  const error = await rejection(reader.readAll({ limit: 100_000 }));
  assert.ok(error instanceof LimitExceededError && error.limit === 100_000);
  assert.equal(error.message, "Cannot read everything from the stream: more than 100000 bytes");
  assert.deepEqual(await reader.readAll({ limit: 200_000 }), numbered(200_000));
});

test("BufferedReader reads ahead no more than its limit and one piece of its source", async () => {
  await virtually(async () => {
    const [here, there] = memoryStreamPair({ capacity: Infinity });
    const reader = new BufferedReader(here, { limit: 1000 });
    await there.write(new Uint8Array(1_000_000).fill(0x61));
    for (let again = 0; again < 3; again++) await assert.rejects(reader.readLine(), LimitExceededError);
    await assert.rejects(reader.readUntil("b"), LimitExceededError);
    assert.equal(reader.statistics().buffered, 1_000_000);
    assert.equal(here.statistics().buffered, 1_000_000 - 65_536);
  });
});

test("hasMore() waits for a byte or the end, and takes nothing", async () => {
  await virtually(async () => {
    const [reader, there] = reading();
    await withTaskGroup(async (group) => {
      const asked = group.spawn(() => reader.hasMore());
      await waitAllTasksBlocked();
      await there.write(bytes("ab"));
      assert.equal(await asked, true);
      assert.equal(text(await reader.readExactly(2)), "ab");
      const last = group.spawn(() => reader.hasMore());
      await waitAllTasksBlocked();
      await there.closeWriting();
      assert.equal(await last, false);
    });
  });
});

test("what was read ahead of a connection that broke is given, then the error, as often as it is asked", async () => {
  await virtually(async () => {
    const [reader, there] = reading();
    await there.write(bytes("one\ntwo\nthr"));
    assert.equal(await reader.readLine(), "one");
    there.abort(new Error("gone"));
    assert.equal(await reader.readLine(), "two");
    await assert.rejects(reader.readLine(), BrokenError);
    assert.equal(text(await reader.read()), "thr");
    await assert.rejects(reader.read(), BrokenError);
  });
});

test("arguments of BufferedReader that make no sense are refused, and nothing is read", async () => {
  const reader = await readerOf("abc");
  for (const count of [-1, 1.5, Infinity, Number.NaN, "2" as never])
    await assert.rejects(reader.readExactly(count), RangeError);
  for (const max of [0, -1, 1.5, "2" as never]) await assert.rejects(reader.read(max), RangeError);
  for (const delimiter of [1, undefined, [1]] as never[]) await assert.rejects(reader.readUntil(delimiter), TypeError);
  for (const delimiter of ["", new Uint8Array(0)]) await assert.rejects(reader.readUntil(delimiter), RangeError);
  for (const limit of [0, 1.5, "2" as never]) {
    await assert.rejects(reader.readUntil("a", { limit }), RangeError);
    await assert.rejects(reader.readAll({ limit }), RangeError);
    assert.throws(() => new BufferedReader(reader, { limit }), RangeError);
  }
  await assert.rejects(reader.readAll(null as never), TypeError);
  for (const source of [undefined, {}, "text"] as never[]) assert.throws(() => new BufferedReader(source), TypeError);
  assert.equal(text(await reader.readAll()), "abc");
});

// --- one at a time

test("N2 whoever reads from a BufferedReader while somebody waits is refused, and the first goes on", async () => {
  await virtually(async () => {
    const [reader, there] = reading({ name: "pipe" });
    await withTaskGroup(async (group) => {
      const first = group.spawn(() => reader.readLine());
      await waitAllTasksBlocked();
      assert.ok(reader.statistics().reading);
      const others = [
        () => reader.read(),
        () => reader.readExactly(1),
        () => reader.readUntil("a"),
        () => reader.readLine(),
        () => reader.lines().next(),
        () => reader.readAll(),
        () => reader.hasMore(),
      ];
      for (const other of others) {
        const error = await rejection(other());
        assert.ok(error instanceof BusyError);
        assert.equal(error.message, "Cannot read from stream 'pipe': somebody else waits to read");
      }
      await there.write(bytes("line\n"));
      assert.equal(await first, "line");
      assert.equal(reader.statistics().reading, false);
    });
  });
});

// --- closing

test("N3 close() of a BufferedReader fails who waits and who comes, and drops what was read ahead", async () => {
  await virtually(async () => {
    const [reader, there] = reading();
    await there.write(bytes("begun"));
    await withTaskGroup(async (group) => {
      const waiting = group.attempt(() => reader.readLine());
      await waitAllTasksBlocked();
      assert.equal(reader.statistics().buffered, 5);
      await reader.close();
      await assert.rejects(Promise.resolve(waiting), ClosedError);
      await assert.rejects(reader.read(), ClosedError);
      await assert.rejects(reader.lines().next(), ClosedError);
      await assert.rejects(there.write(bytes("more")), BrokenError);
    });
    assert.deepEqual([reader.isClosed, reader.statistics().buffered], [true, 0]);
  });
});

test("await using closes the source of a BufferedReader, and for await reads its chunks", async () => {
  const [source, feed] = memoryStreamPair();
  await feed.write(bytes("line\nrest"));
  await feed.close();
  {
    await using reader = new BufferedReader(source);
    assert.equal(await reader.readLine(), "line");
    const chunks: unknown[] = [];
    for await (const chunk of reader) chunks.push(text(chunk));
    assert.deepEqual(chunks, ["rest"]);
  }
  assert.ok(source.isClosed);
});

test("N3 bytes that come just before close() are not kept", async () => {
  await virtually(async () => {
    const [reader, there] = reading();
    await withTaskGroup(async (group) => {
      const waiting = group.attempt(() => reader.readLine());
      await waitAllTasksBlocked();
      void there.write(bytes("no line"));
      await reader.close();
      await assert.rejects(Promise.resolve(waiting), ClosedError);
    });
    assert.equal(reader.statistics().buffered, 0);
  });
});

test("N5 abort() of a BufferedReader tears its source, with its reason", async () => {
  await virtually(async () => {
    const [reader, there] = reading();
    await there.write(bytes("one\ntwo\n"));
    await reader.readLine();
    const reason = new Error("enough");
    reader.abort(reason);
    await assert.rejects(reader.readLine(), (error) => error instanceof ClosedError && error.cause === reason);
    await assert.rejects(there.read(), BrokenError);
    assert.equal(reader.statistics().buffered, 0);
  });
});

// --- cancellation

const ways: Record<string, (reader: BufferedReader) => Promise<unknown>> = {
  readExactly: (reader) => reader.readExactly(8).then(text),
  readUntil: (reader) => reader.readUntil("\n").then(text),
  readLine: (reader) => reader.readLine(),
  "lines()": (reader) =>
    reader
      .lines()
      .next()
      .then(({ value }) => value),
  readAll: (reader) => reader.readAll().then(text),
};

for (const [name, read] of Object.entries(ways)) {
  test(`C3a ${name} cut while it waits leaves what has come to the next call`, async () => {
    await virtually(async () => {
      const [reader, there] = reading();
      for (const part of ["ha", "lf ", "a "]) {
        await there.write(bytes(part));
        assert.equal(await moveOnAfter(10, () => read(reader).then(() => "read")), undefined);
      }
      assert.deepEqual(
        [reader.statistics().buffered, reader.statistics().bytesRead, reader.statistics().reading],
        [7, 0, false],
      );
      await there.write(bytes("l"));
      if (name !== "readExactly") await there.write(bytes("\n"));
      await there.close();
      assert.equal(await read(reader), name === "readAll" ? "half a l\n" : "half a l");
    });
  });

  test(`C3a ${name} cut on entry has read nothing`, async () => {
    await virtually(async () => {
      const reader = await readerOf("12345678\n");
      await withCancelScope(async (scope) => {
        scope.cancel();
        await assert.rejects(read(reader), CancelledError);
      });
      assert.equal(text(await reader.readAll()), "12345678\n");
    });
  });

  test(`C3b ${name} whose last byte was handed over before it is cancelled has read it`, async () => {
    await virtually(async () => {
      const [reader, there] = reading();
      let got: unknown;
      await withTaskGroup(async (group) => {
        const task = group.spawn(async () => {
          got = await read(reader);
          await checkpoint();
        });
        await waitAllTasksBlocked();
        if (name === "readAll") {
          await there.write(bytes("12345678\n"));
          await waitAllTasksBlocked();
          void there.closeWriting();
        } else {
          void there.write(bytes("12345678\n"));
        }
        task.cancel();
        assert.equal((await task.outcome()).status, "cancelled");
      });
      assert.equal(got, name === "readAll" ? "12345678\n" : "12345678");
    });
  });
}

test("N7 C3a in whatever order writer, reader and cancellation come, each line is read once", async () => {
  await explore(async () => {
    const [reader, there] = reading();
    const got: string[] = [];
    await withTaskGroup(async (group) => {
      group.spawn(async () => {
        for (const part of ["o", "ne\nt", "wo\n"]) await there.write(bytes(part));
        await there.closeWriting();
      });
      const first = group.spawn(async () => {
        for await (const line of reader.lines()) got.push(line);
      });
      group.spawn(async () => {
        await checkpoint();
        first.cancel();
      });
      await first.outcome();
      for await (const line of reader.lines()) got.push(line);
    });
    assert.deepEqual(got, ["one", "two"]);
  });
});

test("F2 a loop over lines that never waits lets others have their turn", async () => {
  await run(
    async () => {
      const reader = await readerOf("\n".repeat(3_000_000));
      let stop = false;
      await withTaskGroup(async (group) => {
        group.spawn(async () => {
          await sleep(5);
          stop = true;
        });
        for await (const _line of reader.lines()) if (stop) break;
      });
      assert.ok(stop && (await reader.hasMore()), "the timer came before the end of the lines");
    },
    { host: false },
  );
});
