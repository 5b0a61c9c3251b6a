import assert from "node:assert/strict";
import { test } from "node:test";
import { reportComparison, reportCrawl } from "./report.ts";
import { Results } from "./results.ts";
import { compareWithPlan, plan } from "./site/plan.ts";

const origin = "http://site.test/";

function someResults(): Results {
  const results = new Results();
  const gone = { url: `${origin}gone`, fragment: "" };
  results.pages.set(origin, {
    url: origin,
    foundOn: undefined,
    ms: 12,
    answer: { content: { links: [gone], anchors: new Set() } },
  });
  results.pages.set(gone.url, { url: gone.url, foundOn: origin, ms: 345, answer: { trouble: "404 Not Found" } });
  return results;
}

test("reportCrawl() tells pages, speed, broken links by page, and the slowest pages", () => {
  assert.equal(
    reportCrawl(someResults(), { seconds: 0.5, stopped: false }),
    `2 pages done in 0.5 s (4.0 pages per second)

1 broken link on 1 page
  http://site.test/
    404 Not Found              http://site.test/gone

Slowest pages
     345 ms  http://site.test/gone
      12 ms  http://site.test/
`,
  );
});

test("reportCrawl() says what was left out", () => {
  const results = someResults();
  results.overLimit.add(`${origin}more`);
  results.otherHosts.add("http://else.test/");
  const report = reportCrawl(results, { seconds: 1, stopped: true });
  assert.match(report, /^1 address not asked for: the limit was reached$/m);
  assert.match(report, /^1 address on other hosts not checked$/m);
  assert.match(report, /^Stopped before the end/m);
});

test("reportCrawl() works before the first page is done", () => {
  assert.match(reportCrawl(new Results(), { seconds: 0.001, stopped: true }), /^0 pages done.*\n[^]*No broken links/);
});

test("compareWithPlan() finds no difference when all of the plan was found, in any order", () => {
  const found = plan
    .map(({ page, link, reason }) => ({ page: new URL(page, origin).href, link: new URL(link, origin).href, reason }))
    .reverse();
  const comparison = compareWithPlan(found, origin);
  assert.deepEqual(comparison, { found: plan.length, missed: [], unplanned: [] });
  assert.match(reportComparison(comparison), /Nothing is missing and nothing else was found/);
});

test("compareWithPlan() tells what was missed and what was not planned", () => {
  const other = { page: origin, link: `${origin}x`, reason: "timeout" };
  const comparison = compareWithPlan([other], origin);
  assert.equal(comparison.found, 0);
  assert.equal(comparison.missed.length, plan.length);
  assert.deepEqual(comparison.unplanned, [other]);
  const report = reportComparison(comparison);
  assert.match(report, /Found, but not built in:\n {2}http:\/\/site.test\/x on http:\/\/site.test\/: timeout/);
  assert.match(report, /Built in, but not found:\n {2}http:\/\/site.test\/trouble\/stuck on/);
});

test("compareWithPlan() does not call missed what an incomplete crawl could not find", () => {
  assert.deepEqual(compareWithPlan([], origin, true), { found: 0, missed: [], unplanned: [] });
});
