import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { withCancelScope, withTaskGroup } from "tasktree";
import { findBrokenLinks } from "./broken.ts";
import { crawl, type CrawlOptions } from "./crawl.ts";
import { Results } from "./results.ts";
import { compareWithPlan, plan } from "./site/plan.ts";
import { serveSite } from "./site/serve.ts";
import { pages, serveFor } from "./test-server.ts";

const usual: CrawlOptions = { limit: 1000, perHost: 6, timeout: 5_000, sameHost: true };
const bounded = { timeout: 30_000 };

async function crawled(start: string, options: Partial<CrawlOptions> = {}): Promise<Results> {
  const results = new Results();
  await crawl(start, { ...usual, ...options }, results);
  return results;
}

/** The paths of the pages that are done, in alphabetical order. */
function pathsOf(results: Results): string[] {
  return [...results.pages.keys()].map((url) => new URL(url).pathname).sort();
}

test("crawl() finds in the demo site exactly what the plan says", bounded, async () => {
  const results = new Results();
  const origin = await withTaskGroup(async (group) => {
    const origin = await group.start(serveSite, { service: true });
    await crawl(origin, { ...usual, timeout: 1_500 }, results);
    return origin;
  });
  assert.deepEqual(compareWithPlan(findBrokenLinks(results), origin), {
    found: plan.length,
    missed: [],
    unplanned: [],
  });
  assert.equal(results.found, results.pages.size);
  assert.equal(results.running, 0);
});

test("crawl() asks for each address once, however many links lead there", bounded, async (t) => {
  const asked: string[] = [];
  const site = pages({ "/": `<a href=a>a</a><a href=a#x>a</a>`, "/a": `<a href=/>home</a><a href=/a>self</a>` });
  const start = await serveFor(t, (request, response) => {
    asked.push(request.url ?? "");
    site(request, response);
  });
  await crawled(start);
  assert.deepEqual(asked.sort(), ["/", "/a"]);
});

test("crawl() keeps pages in the order in which they were done", bounded, async (t) => {
  const site = pages({ "/": `<a href=slow>slow</a><a href=fast>fast</a>`, "/slow": "", "/fast": "" });
  const start = await serveFor(t, async (request, response) => {
    if (request.url === "/slow") await delay(300);
    site(request, response);
  });
  const order: string[] = [];
  const results = await crawled(start, { onPage: (page) => order.push(page.url) });
  assert.deepEqual([...results.pages.keys()], [start, `${start}fast`, `${start}slow`]);
  assert.deepEqual(order, [...results.pages.keys()]);
});

test("crawl() stops at the limit and says which addresses were left out", bounded, async (t) => {
  const links = Array.from({ length: 9 }, (_, i) => `<a href=/${i}>${i}</a>`).join("");
  const start = await serveFor(t, (_request, response) => {
    response.writeHead(200, { "content-type": "text/html" }).end(links);
  });
  const results = await crawled(start, { limit: 4 });
  assert.deepEqual(pathsOf(results), ["/", "/0", "/1", "/2"]);
  assert.deepEqual(
    [...results.overLimit].map((url) => new URL(url).pathname),
    ["/3", "/4", "/5", "/6", "/7", "/8"],
  );
  assert.deepEqual(findBrokenLinks(results), []);
});

test("crawl() never sends a host more requests at the same time than it may", bounded, async (t) => {
  const links = Array.from({ length: 12 }, (_, i) => `<a href=/${i}>${i}</a>`).join("");
  let running = 0;
  let most = 0;
  const start = await serveFor(t, async (_request, response) => {
    most = Math.max(most, ++running);
    await delay(20);
    running--;
    response.writeHead(200, { "content-type": "text/html" }).end(links);
  });
  const results = await crawled(start, { perHost: 3 });
  assert.equal(results.pages.size, 13);
  assert.equal(most, 3);
});

test("crawl() checks links to other origins but does not follow them", bounded, async (t) => {
  const asked: string[] = [];
  const foreign = await serveFor(t, (request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const fine = request.url === "/fine" || (request.url === "/no-head" && request.method === "GET");
    response.writeHead(fine ? 200 : 405, { "content-type": "text/html" }).end("<a href=/further>further</a>");
  });
  const links = ["fine", "fine#unknown", "no-head", "gone"].map((path) => `<a href="${foreign}${path}">${path}</a>`);
  const start = await serveFor(t, pages({ "/": links.join("") }));
  const results = await crawled(start);
  assert.deepEqual(findBrokenLinks(results), [
    { page: start, link: `${foreign}gone`, reason: "405 Method Not Allowed" },
  ]);
  assert.deepEqual(asked.sort(), ["GET /gone", "GET /no-head", "HEAD /fine", "HEAD /gone", "HEAD /no-head"]);
});

test("crawl() leaves other hosts alone when told so", bounded, async (t) => {
  const start = await serveFor(t, pages({ "/": `<a href="http://host.invalid/">x</a>` }));
  const results = await crawled(start, { sameHost: true });
  assert.deepEqual(pathsOf(results), ["/"]);
  assert.deepEqual([...results.otherHosts], ["http://host.invalid/"]);
  const [broken] = findBrokenLinks(await crawled(start, { sameHost: false }));
  assert.deepEqual(broken, { page: start, link: "http://host.invalid/", reason: "host not found" });
});

test("crawl() follows redirects, but not for ever", bounded, async (t) => {
  const start = await serveFor(t, (request, response) => {
    const number = Number(request.url?.slice(1));
    if (request.url === "/") response.writeHead(200, { "content-type": "text/html" }).end("<a href=/1>x</a>");
    else response.writeHead(302, { location: `/${number + 1}` }).end();
  });
  const results = await crawled(start);
  assert.deepEqual(findBrokenLinks(results), [{ page: start, link: `${start}1`, reason: "too many redirects" }]);
});

test("crawl() reads no links on a page that is an error, or no HTML", bounded, async (t) => {
  const start = await serveFor(t, (request, response) => {
    const link = "<a href=/never>never</a>";
    if (request.url === "/")
      response.writeHead(200, { "content-type": "text/html" }).end("<a href=a>a</a><a href=b>b</a>");
    else if (request.url === "/a") response.writeHead(200, { "content-type": "text/plain" }).end(link);
    else response.writeHead(503, { "content-type": "text/html" }).end(link);
  });
  const results = await crawled(start);
  assert.deepEqual(pathsOf(results), ["/", "/a", "/b"]);
  assert.deepEqual(findBrokenLinks(results), [{ page: start, link: `${start}b`, reason: "503 Service Unavailable" }]);
});

test("crawl() gives a page its time from when it is asked for, not while it waits for its turn", bounded, async (t) => {
  const links = Array.from({ length: 8 }, (_, i) => `<a href=/${i}>${i}</a>`).join("");
  const start = await serveFor(t, async (_request, response) => {
    await delay(200);
    response.writeHead(200, { "content-type": "text/html" }).end(links);
  });
  assert.deepEqual(findBrokenLinks(await crawled(start, { perHost: 1, timeout: 1_000 })), []);
});

test("crawl() cuts off a page that never ends, by size or by time", bounded, async (t) => {
  let closed = 0;
  const site = pages({ "/": "<a href=/fast>fast</a><a href=/slow>slow</a>" });
  const start = await serveFor(t, (request, response) => {
    if (request.url === "/") return site(request, response);
    const fast = request.url === "/fast";
    const text = "x".repeat(fast ? 100_000 : 10);
    const write = setInterval(() => response.write(text), fast ? 1 : 50);
    response.writeHead(200, { "content-type": "text/html" }).once("close", () => {
      clearInterval(write);
      closed++;
    });
  });
  const results = await crawled(start, { timeout: 2_000 });
  assert.deepEqual(
    findBrokenLinks(results).map(({ link, reason }) => `${link.replace(start, "/")} ${reason}`),
    ["/fast too large", "/slow timeout"],
  );
  while (closed < 2) await delay(10);
});

test("crawl() that is cancelled aborts its requests and keeps what is done", bounded, async (t) => {
  let aborted = 0;
  const site = pages({ "/": "<a href=/1>1</a><a href=/2>2</a>", "/2": "" });
  const start = await serveFor(t, (request, response) => {
    if (request.url !== "/1") return site(request, response);
    response.once("close", () => aborted++);
  });
  const results = new Results();
  await withCancelScope(async (scope) => {
    const onPage = () => results.pages.size === 2 && scope.cancel();
    await crawl(start, { ...usual, onPage }, results);
  });
  assert.deepEqual(pathsOf(results), ["/", "/2"]);
  assert.deepEqual(findBrokenLinks(results), []);
  assert.equal(results.running, 0);
  while (aborted < 1) await delay(10);
});
