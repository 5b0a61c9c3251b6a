import assert from "node:assert/strict";
import test, { describe } from "node:test";
import { skipOn } from "../../../test/runtime.ts";
import { CookieJar } from "./cookie-jar.ts";

/** What is sent to `to` after `from` has set these. */
function sent(from: string, set: readonly string[], to: string, jar: CookieJar = new CookieJar()): string | undefined {
  jar.keep(new URL(from), new Headers(set.map((value): [string, string] => ["set-cookie", value])));
  return jar.headerFor(new URL(to));
}

describe("CookieJar", skipOn({ bun: "its undici does not read cookies" }), () => {
  test("CookieJar sends a cookie to the host that set it, and to its subdomains only if it said so", () => {
    const from = "http://www.example.com/";
    assert.equal(sent(from, ["a=1"], from), "a=1");
    assert.equal(sent(from, ["a=1"], "http://sub.www.example.com/"), undefined);
    assert.equal(sent(from, ["a=1; Domain=www.example.com"], "http://sub.www.example.com/"), "a=1");
    assert.equal(sent(from, ["a=1; Domain=.Example.com"], "http://other.example.com/"), "a=1");
    assert.equal(sent(from, ["a=1; Domain=example.com"], "http://badexample.com/"), undefined);
    assert.equal(sent(from, ["a=1; Domain=other.com"], "http://other.com/"), undefined);
    assert.equal(sent(from, ["a=1; Domain=com"], "http://any.com/"), undefined);
    assert.equal(sent("http://127.0.0.1/", ["a=1; Domain=0.0.1"], "http://127.0.0.1/"), undefined);
    assert.equal(sent("http://127.0.0.1/", ["a=1; Domain=127.0.0.1"], "http://127.0.0.1:81/"), "a=1");
  });

  test("CookieJar sends a cookie to the paths below its own, those of longer paths first", () => {
    const from = "http://h.com/a/b";
    assert.equal(sent(from, ["x=1"], "http://h.com/a/c"), "x=1");
    assert.equal(sent(from, ["x=1"], "http://h.com/ab"), undefined);
    assert.equal(sent(from, ["x=1; Path=/a/"], "http://h.com/a"), undefined);
    assert.equal(sent(from, ["x=1; Path=no"], "http://h.com/a"), "x=1");
    assert.equal(sent(from, ["x=1; Path=/", "y=2; Path=/a", "z=3; Path=/"], "http://h.com/a/b"), "y=2; x=1; z=3");
  });

  test("CookieJar keeps what is secure on https, and refuses it from elsewhere", () => {
    assert.equal(sent("https://h.com/", ["a=1; Secure"], "http://h.com/"), undefined);
    assert.equal(sent("https://h.com/", ["a=1; Secure"], "https://h.com/"), "a=1");
    assert.equal(sent("http://h.com/", ["a=1; Secure"], "https://h.com/"), undefined);
    assert.equal(sent("https://h.com/", ["__Secure-a=1"], "https://h.com/"), undefined);
    assert.equal(sent("https://h.com/", ["__Host-a=1; Secure; Path=/x"], "https://h.com/x"), undefined);
    assert.equal(sent("https://h.com/", ["__Host-a=1; Secure; Path=/"], "https://h.com/x"), "__Host-a=1");
  });

  test("CookieJar leaves a secure cookie alone that http would replace or stand before, from a subdomain too", () => {
    const kept = (secure: string, from: string, set: string, to = "https://h.com/a"): string | undefined => {
      const jar = new CookieJar();
      sent("https://h.com/a", [secure], to, jar);
      return sent(from, [set], to, jar);
    };
    const sid = "sid=good; Secure; Path=/a";
    assert.equal(kept(sid, "http://h.com/a/x", "sid=evil"), "sid=good");
    assert.equal(kept(sid, "http://h.com/a", "sid=evil; Path=/a/b", "https://h.com/a/b"), "sid=good");
    assert.equal(kept(sid, "http://h.com/a", "sid=; Max-Age=0"), "sid=good");
    assert.equal(kept(`${sid}; Domain=h.com`, "http://x.h.com/", "sid=evil; Domain=h.com; Path=/a"), "sid=good");
    assert.equal(kept(sid, "http://x.h.com/", "sid=evil; Domain=h.com; Path=/a"), "sid=good");
    assert.equal(kept(`${sid}; Domain=h.com`, "http://x.h.com/a/x", "sid=evil", "https://x.h.com/a"), "sid=good");
    // Another name, another site, a path around it, or https, are not its business.
    assert.equal(kept(sid, "http://h.com/a", "other=1"), "sid=good; other=1");
    assert.equal(kept(sid, "http://other.com/a", "sid=1", "http://other.com/a"), "sid=1");
    assert.equal(kept(sid, "http://h.com/", "sid=outer", "https://h.com/"), "sid=outer");
    assert.equal(kept(sid, "https://h.com/a", "sid=new; Path=/a"), "sid=new");
    assert.equal(kept("sid=1; Path=/a", "http://h.com/a", "sid=2; Path=/a"), "sid=2");
  });

  test("CookieJar drops what has neither name nor value, and what has no name and would pass for one that has", () => {
    const url = "https://h.com/";
    for (const set of ["=", "=; Path=/", ";", "=__Host-sid=evil", "=__Secure-a", "__host-sid", "=a=b"])
      assert.equal(sent(url, [set], url), undefined, set);
    assert.equal(sent(url, ["=value"], url), "value");
    assert.equal(sent(url, ["value"], url), "value");
    assert.equal(sent(url, ["a="], url), "a=");
  });

  test("CookieJar forgets what has expired, was set anew, or is one too many", () => {
    const url = "http://h.com/";
    const jar = new CookieJar();
    assert.equal(sent(url, ["a=1", "b=2; Max-Age=1000", "a=3"], url, jar), "a=3; b=2");
    assert.equal(sent(url, ["a=; Max-Age=0", "b=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], url, jar), undefined);
    const many = Array.from({ length: 60 }, (_, index) => `c${index}=1`);
    assert.equal(sent(url, many, url, jar)!.split("; ").length, 50);
    assert.ok(!sent(url, [], url, jar)!.includes("c0="));
    for (let site = 0; site < 80; site++) sent(`http://s${site}.com/`, many, url, jar);
    let kept = 0;
    for (let site = 0; site < 80; site++)
      kept += (jar.headerFor(new URL(`http://s${site}.com/`)) ?? "").split("; ").filter((part) => part !== "").length;
    assert.equal(kept, 3000);
    assert.equal(sent(url, [`long=${"x".repeat(5000)}`], url), undefined);
  });
});
