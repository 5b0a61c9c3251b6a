import assert from "node:assert/strict";
import test from "node:test";
import { parseRetryAfter } from "./retry-after.ts";

test("Retry-After is seconds, however many", () => {
  for (const [value, ms] of [
    ["0", 0],
    ["2", 2000],
    [" 1 ", 1000],
    ["9999999999", 9_999_999_999_000],
    ["9".repeat(400), Infinity],
  ] as const)
    assert.equal(parseRetryAfter(value), ms, value);
});

test("Retry-After is a time of day in each form of HTTP, in UTC wherever this runs; one that has passed means at once", () => {
  const inAnHour = new Date(Math.floor(Date.now() / 1000) * 1000 + 3_600_000);
  const [shortDay, day, month, year, time] = inAnHour.toUTCString().replace(",", "").split(" ");
  const longDay = inAnHour.toLocaleDateString("en", { weekday: "long", timeZone: "UTC" });
  for (const value of [
    inAnHour.toUTCString(),
    `${longDay}, ${day}-${month}-${year!.slice(2)} ${time} GMT`,
    `${shortDay} ${month} ${day!.replace(/^0/, " ")} ${time} ${year}`,
  ]) {
    const pause = parseRetryAfter(value)!;
    assert.ok(pause > 3_590_000 && pause <= 3_600_000, `${value}: ${pause}`);
  }
  for (const value of [
    "Wed, 21 Oct 2015 07:28:00 GMT",
    "Wednesday, 21-Oct-15 07:28:00 GMT",
    "Sunday, 06-Nov-94 08:49:37 GMT",
    "Wed Oct 21 07:28:00 2015",
  ])
    assert.equal(parseRetryAfter(value), 0, value);
});

test("Retry-After that is neither says nothing", () => {
  for (const value of [
    "",
    "0.5",
    "-5",
    "+5",
    "1e3",
    "0x10",
    "10, 20",
    "120;",
    "5 seconds",
    "soon",
    "2035-10-21",
    "21 Oct 2035",
    "Wed, 21 Oct 2035 07:28:00",
    "Wed, 21 Oct 2035 07:28:00 +0200",
    "Wed, 21 Abc 2035 07:28:00 GMT",
  ])
    assert.equal(parseRetryAfter(value), undefined, value);
});
