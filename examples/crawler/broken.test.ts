import assert from "node:assert/strict";
import { test } from "node:test";
import { findBrokenLinks } from "./broken.ts";
import { maxRedirects } from "./crawl.ts";
import { parseLink, type Link } from "./links.ts";
import { Results, type Answer } from "./results.ts";

/** A page at http://site.test/ with these links, and what the other addresses answer. */
function resultsOf(links: string[], answers: Record<string, Answer> = {}): Results {
  const results = new Results();
  const start: Answer = { content: { links: links.map(toLink), anchors: new Set(["here"]) } };
  for (const [path, answer] of Object.entries({ "/": start, ...answers })) {
    const { url } = toLink(path);
    results.pages.set(url, { url, foundOn: path === "/" ? undefined : "http://site.test/", ms: 1, answer });
  }
  return results;
}

function reasons(results: Results): string[] {
  return findBrokenLinks(results).map(({ page, link, reason }) => `${page} -> ${link}: ${reason}`);
}

function toLink(href: string): Link {
  return parseLink(href, "http://site.test/")!;
}

function page(...anchors: string[]): Answer {
  return { content: { links: [], anchors: new Set(anchors) } };
}

test("findBrokenLinks() names the page, the link and the reason", () => {
  const results = resultsOf(["/gone", "/there"], { "/gone": { trouble: "404 Not Found" }, "/there": page() });
  assert.deepEqual(reasons(results), ["http://site.test/ -> http://site.test/gone: 404 Not Found"]);
});

test("findBrokenLinks() looks up fragments on HTML pages only", () => {
  const results = resultsOf(["#here", "#not-here", "/a#x", "/a#y", "/file.pdf#page=2"], {
    "/a": page("x"),
    "/file.pdf": { type: "application/pdf" },
  });
  assert.deepEqual(reasons(results), [
    "http://site.test/ -> http://site.test/#not-here: missing fragment",
    "http://site.test/ -> http://site.test/a#y: missing fragment",
  ]);
});

test("findBrokenLinks() judges a redirect by where it leads", () => {
  const results = resultsOf(["/old", "/older#x", "/old#y", "/lost"], {
    "/older": { redirect: toLink("/old") },
    "/old": { redirect: toLink("/new") },
    "/new": page("x"),
    "/lost": { redirect: toLink("/gone") },
    "/gone": { trouble: "410 Gone" },
  });
  assert.deepEqual(reasons(results), [
    "http://site.test/ -> http://site.test/old#y: missing fragment",
    "http://site.test/ -> http://site.test/lost: 410 Gone",
  ]);
});

test("findBrokenLinks() prefers the fragment of the redirect", () => {
  const results = resultsOf(["/old#unknown"], { "/old": { redirect: toLink("/new#x") }, "/new": page("x") });
  assert.deepEqual(reasons(results), []);
});

test("findBrokenLinks() detects a redirect loop, also one that is entered later", () => {
  const results = resultsOf(["/a", "/in", "/self"], {
    "/in": { redirect: toLink("/a") },
    "/a": { redirect: toLink("/b") },
    "/b": { redirect: toLink("/a") },
    "/self": { redirect: toLink("/self") },
  });
  assert.deepEqual(
    findBrokenLinks(results).map(({ reason }) => reason),
    ["redirect loop", "redirect loop", "redirect loop"],
  );
});

test("findBrokenLinks() gives up where redirects are not followed any further", () => {
  const answers: Record<string, Answer> = {};
  for (let i = 1; i <= maxRedirects + 1; i++) answers[`/${i}`] = { redirect: toLink(`/${i + 1}`) };
  assert.deepEqual(reasons(resultsOf(["/1", "/2"], answers)), [
    "http://site.test/ -> http://site.test/1: too many redirects",
  ]);
});

test("findBrokenLinks() says nothing of a link whose target was not asked for", () => {
  assert.deepEqual(reasons(resultsOf(["/later", "/old"], { "/old": { redirect: toLink("/later") } })), []);
});

test("findBrokenLinks() reports a start that is broken itself", () => {
  const results = resultsOf([], { "/": { trouble: "connection refused" } });
  assert.deepEqual(reasons(results), [" -> http://site.test/: connection refused"]);
});
