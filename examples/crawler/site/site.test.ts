import assert from "node:assert/strict";
import { test } from "node:test";
import { withTaskGroup } from "tasktree";
import { formatLink, PageReader, type PageContent } from "../links.ts";
import { plan } from "./plan.ts";
import { serveSite } from "./serve.ts";

/** Runs `fn` while the demo site is served. */
function withSite(fn: (origin: string) => Promise<void>): Promise<void> {
  return withTaskGroup(async (group) => fn(await group.start(serveSite, { service: true })));
}

async function readPage(url: string): Promise<PageContent> {
  const reader = new PageReader(url);
  reader.write(await (await fetch(url)).text());
  return reader.end();
}

/** How each kind of trouble looks to a plain `fetch`. */
const signs: Record<string, (link: string) => Promise<void>> = {
  "404 Not Found": async (link) => assert.equal((await fetch(link)).status, 404),
  "500 Internal Server Error": async (link) => assert.equal((await fetch(link)).status, 500),
  "redirect loop": (link) => assert.rejects(fetch(link), hasCause(/redirect count exceeded/)),
  "connection refused": (link) => assert.rejects(fetch(link), hasCause(/ECONNREFUSED/)),
  "connection closed": (link) => assert.rejects(fetch(link), hasCause(/closed/)),
  timeout: (link) => assert.rejects(readBytes(link, AbortSignal.timeout(500)), { name: "TimeoutError" }),
  "too large": async (link) => assert.ok((await readBytes(link)) > 2_000_000),
  "missing fragment": async (link) => {
    const { anchors } = await readPage(link);
    assert.ok(anchors.size > 0 && !anchors.has(new URL(link).hash.slice(1)));
  },
};

function hasCause(message: RegExp) {
  return (error: unknown): boolean => error instanceof Error && message.test(String(error.cause));
}

/** How much an address sends, at most a little more than 3 MB. */
async function readBytes(url: string, signal?: AbortSignal): Promise<number> {
  let bytes = 0;
  for await (const chunk of (await fetch(url, { signal: signal ?? null })).body!) {
    bytes += chunk.length;
    if (bytes > 3_000_000) break;
  }
  return bytes;
}

for (const { page, link, reason } of plan) {
  test(`the demo site has on ${page} the link ${link}: ${reason}`, { timeout: 20_000 }, () =>
    withSite(async (origin) => {
      const target = new URL(link, origin).href;
      assert.ok((await readPage(new URL(page, origin).href)).links.map(formatLink).includes(target));
      await signs[reason]!(target);
    }),
  );
}

test("the demo site leads from its contents to the documents and to the trouble", { timeout: 20_000 }, () =>
  withSite(async (origin) => {
    const links = (await readPage(origin)).links.map((link) => link.url.replace(origin, "/"));
    for (const path of ["/examples/crawler/README.md", "/trouble/", "/style.css"]) {
      assert.ok(links.includes(path), path);
      assert.equal((await fetch(new URL(path, origin))).status, 200, path);
    }
  }),
);

test("the demo site's chain of redirects ends at a page", { timeout: 20_000 }, () =>
  withSite(async (origin) => {
    const response = await fetch(`${origin}trouble/chain/1`);
    assert.equal(response.status, 200);
    assert.equal(response.url, `${origin}trouble/notes`);
  }),
);

test("the demo site gives headings the ids that GitHub gives them", { timeout: 20_000 }, () =>
  withSite(async (origin) => {
    const { anchors } = await readPage(`${origin}trouble/notes`);
    assert.ok(anchors.has("notes") && anchors.has("a-heading"));
  }),
);

test(
  "the demo site shows files as text and folders as pages, and nothing outside the repository",
  { timeout: 20_000 },
  () =>
    withSite(async (origin) => {
      const status = async (path: string) => (await fetch(`${origin}${path}`, { redirect: "manual" })).status;
      const file = await fetch(`${origin}examples/crawler/main.ts`);
      assert.equal(file.headers.get("content-type"), "text/plain; charset=utf-8");
      assert.match(await file.text(), /export default async function main/);
      assert.equal(await status("examples"), 301);
      assert.equal(await status("examples/"), 200);
      for (const path of ["..%2f..%2f", "..%5c..%5c", ".git/config", ".gitignore", "node_modules/", "%00", "%"]) {
        assert.equal(await status(path), 404, path);
      }
    }),
);
