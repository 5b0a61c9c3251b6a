import assert from "node:assert/strict";
import { test } from "node:test";
import { progressLine } from "./progress.ts";
import { Results } from "./results.ts";

test("progressLine() tells how many pages are done, running and waiting", () => {
  const results = new Results();
  results.found = 10;
  results.running = 3;
  results.pages.set("http://site.test/", { url: "http://site.test/", foundOn: undefined, ms: 1, answer: {} });
  assert.equal(progressLine(results), "pages: 1 done, 3 running, 6 waiting");
});
