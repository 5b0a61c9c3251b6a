import assert from "node:assert/strict";
import { test } from "node:test";
import { renderPage } from "./render.ts";

test("renderPage() makes a page of a Markdown document", () => {
  const html = renderPage("a < b", "Some *text*");
  assert.match(html, /^<!doctype html>/);
  assert.match(html, /<title>a &lt; b<\/title>/);
  assert.match(html, /<p>Some <em>text<\/em><\/p>/);
});

test("renderPage() gives headings the ids that GitHub gives them", () => {
  const html = renderPage("", '# One & `two()`: 3.5\n## Same\n## Same\n## Größe_und [link](x) "quoted"');
  const ids = [...html.matchAll(/<h\d id="([^"]*)">/g)].map((match) => match[1]);
  assert.deepEqual(ids, ["one--two-35", "same", "same-1", "größe_und-link-quoted"]);
});

test("renderPage() makes no link to a server that only runs at the reader's", () => {
  const html = renderPage("", "[one](http://localhost:8080/a) http://127.0.0.1:9229 [two](http://localhost.test/)");
  assert.deepEqual(
    [...html.matchAll(/<a href="(h[^"]*)"/g)].map((match) => match[1]),
    ["http://localhost.test/"],
  );
});
