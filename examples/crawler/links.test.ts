import assert from "node:assert/strict";
import { test } from "node:test";
import { formatLink, hasAnchor, PageReader, parseLink } from "./links.ts";

const address = "http://site.test/docs/guide.html";

function read(html: string): { links: string[]; anchors: string[] } {
  const reader = new PageReader(address);
  reader.write(html);
  const { links, anchors } = reader.end();
  return { links: links.map(formatLink), anchors: [...anchors] };
}

test("parseLink() resolves a link against the page that holds it", () => {
  assert.deepEqual(parseLink("other.html", address), { url: "http://site.test/docs/other.html", fragment: "" });
  assert.deepEqual(parseLink("/top?q=1", address), { url: "http://site.test/top?q=1", fragment: "" });
  assert.deepEqual(parseLink("//else.test", address), { url: "http://else.test/", fragment: "" });
});

test("parseLink() keeps the fragment apart, so that two places on a page are one address", () => {
  assert.deepEqual(parseLink("#start", address), { url: address, fragment: "start" });
  assert.deepEqual(parseLink("guide.html#end", address), { url: address, fragment: "end" });
  assert.deepEqual(parseLink("#", address), { url: address, fragment: "" });
});

test("parseLink() gives one address to different spellings of it", () => {
  assert.deepEqual(parseLink("HTTP://Site.Test:80/a/../docs/./guide.html", "http://else.test"), {
    url: address,
    fragment: "",
  });
});

test("parseLink() ignores what is not on the web", () => {
  for (const href of [
    "mailto:a@b.test",
    "javascript:void(0)",
    "tel:1",
    "data:text/plain,x",
    "ftp://a.test",
    "http://[",
    "",
  ]) {
    assert.equal(parseLink(href, href === "" ? "not a base" : address), undefined, href);
  }
});

test("hasAnchor() compares the fragment as it is and decoded", () => {
  const anchors = new Set(["plain", "größe", "50%"]);
  for (const fragment of ["plain", "gr%C3%B6%C3%9Fe", "50%", "", "top", "TOP", ":~:text=x", "plain:~:text=x"]) {
    assert.equal(hasAnchor(anchors, fragment), true, fragment);
  }
  assert.equal(hasAnchor(anchors, "Plain"), false);
});

test("PageReader finds links, pictures, scripts and style sheets", () => {
  const html = `<link rel=stylesheet href=a.css><script src=b.js></script><A HREF='c'>c</A><img src=d.png>
    <map><area href=e></map><iframe src=f></iframe><video src=g><source src=h></video><a>no address</a>`;
  assert.deepEqual(
    read(html).links.map((link) => link.replace("http://site.test/docs/", "")),
    ["a.css", "b.js", "c", "d.png", "e", "f", "g", "h"],
  );
});

test("PageReader leaves out what only looks like a link", () => {
  const html = `<!-- <a href=comment> --><script>"<a href=script>"</script><style>a[href=style] {}</style>
    <textarea><a href=textarea></textarea><link rel="dns-prefetch" href="//cdn.test"><a href="mailto:a@b.test">mail</a>`;
  assert.deepEqual(read(html).links, []);
});

test("PageReader reads entities in addresses and reports each link once", () => {
  assert.deepEqual(read(`<a href="?a=1&amp;b=2">x</a> <a href="guide.html?a=1&b=2">y</a>`).links, [
    `${address}?a=1&b=2`,
  ]);
});

test("PageReader finds ids, and names of anchors but not of form fields", () => {
  assert.deepEqual(read(`<h2 id=one>1</h2><a name=two></a><input name=three>`).anchors, ["one", "two"]);
});

test("PageReader resolves links against the first <base>", () => {
  assert.deepEqual(read(`<base href="/other/"><base href="/third/"><a href=x>x</a>`).links, [
    "http://site.test/other/x",
  ]);
});

test("PageReader finds a link that arrives in pieces", () => {
  const reader = new PageReader(address);
  for (const letter of `<p><a class="x" href="/far">far</a>`) reader.write(letter);
  assert.deepEqual(reader.end().links.map(formatLink), ["http://site.test/far"]);
});
