import assert from "node:assert/strict";
import test from "node:test";
import { formatTimeout, parseTimeout } from "./deadline-header.ts";

test("formatTimeout() rounds down to whole milliseconds, and changes the unit where eight digits are not enough", () => {
  const cases: [number, string | undefined][] = [
    [150, "150m"],
    [150.9, "150m"],
    [0.5, "0m"],
    [0, "0m"],
    [-3, "0m"],
    [99_999_999, "99999999m"],
    [100_000_000, "100000S"],
    [99_999_999_999, "99999999S"],
    [100_000_000_000, "1666666M"],
    [6_000_000_000_000, "1666666H"],
    [1e30, undefined],
    [Infinity, undefined],
  ];
  for (const [ms, text] of cases) assert.equal(formatTimeout(ms), text, String(ms));
});

test("U6 parseTimeout() reads gRPC's six units, and passes over everything else", () => {
  const good: [string, number][] = [
    ["150m", 150],
    ["2S", 2000],
    ["3M", 180_000],
    ["1H", 3_600_000],
    ["2500u", 2.5],
    ["5000000n", 5],
    ["0m", 0],
    [" 7m ", 7],
  ];
  for (const [text, ms] of good) assert.equal(parseTimeout(text), ms, text);
  for (const text of ["", "m", "150", "150s", "-1m", "1.5S", "123456789m", "1m, 2m", "1m;", undefined, null])
    assert.equal(parseTimeout(text), undefined, String(text));
});

test("parseTimeout() never gives more than what formatTimeout() was given", () => {
  for (let ms = 0.25; ms < 1e14; ms = ms * 3 + 0.1) {
    const heard = parseTimeout(formatTimeout(ms))!;
    assert.ok(heard <= ms && heard > ms * 0.999 - 1, `${ms} → ${heard}`);
  }
});
