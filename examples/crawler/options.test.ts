import assert from "node:assert/strict";
import { test } from "node:test";
import { parseOptions, UsageError } from "./options.ts";

test("parseOptions() without arguments means the demo site", () => {
  assert.deepEqual(parseOptions([]), {
    help: false,
    url: undefined,
    out: undefined,
    limit: 1000,
    perHost: 6,
    timeout: 1500,
    sameHost: true,
  });
});

test("parseOptions() reads a URL and options in any order", () => {
  const args = ["--limit", "5", "http://Site.test", "--per-host=2", "--timeout", "70", "--out", "pages.ndjson"];
  assert.deepEqual(parseOptions(args), {
    help: false,
    url: "http://site.test/",
    out: "pages.ndjson",
    limit: 5,
    perHost: 2,
    timeout: 70,
    sameHost: false,
  });
});

test("parseOptions() says what is wrong with an argument", () => {
  const wrong: [string[], RegExp][] = [
    [["--limit", "0"], /Expected a whole number above 0 for --limit, got "0"/],
    [["--limit", "ten"], /--limit, got "ten"/],
    [["--per-host", "1.5"], /--per-host, got "1.5"/],
    [["--timeout", ""], /--timeout, got ""/],
    [["--timeout"], /--timeout/],
    [["--what"], /--what/],
    [["ftp://site.test"], /Expected a URL that starts with http:\/\/ or https:\/\/, got "ftp:\/\/site.test"/],
    [["site.test"], /got "site.test"/],
    [["http://a.test", "http://b.test"], /Expected one URL, got 2/],
  ];
  for (const [args, message] of wrong) {
    assert.throws(
      () => parseOptions(args),
      (error: unknown) => error instanceof UsageError && message.test(error.message),
      args.join(" "),
    );
  }
});
