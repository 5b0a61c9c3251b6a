import { parseArgs } from "node:util";

export const help = `Checks every link of a web site.

Usage: npm start -- [URL] [options]

Without a URL it serves the documentation of this repository on this machine, with some trouble built in, and checks that.

It visits every page with the origin (scheme, host and port) of the URL. Links that lead elsewhere are checked, with a
HEAD request and GET if that fails, but not followed, and their #fragments are not looked up. It does not read
robots.txt: it is meant for sites of your own. A page of more than 2 MB counts as too large.

Options:
  --out FILE      write one line of JSON per page to FILE, as the pages are done
  --limit N       ask for at most N addresses (default 1000)
  --per-host N    send one host at most N requests at the same time (default 6)
  --timeout MS    milliseconds that one request may take (default 10000; 1500 without a URL)
  --same-host     do not check links to other hosts (always so without a URL)
  --help          show this text

Exit code: 0 all links are fine, 1 some are broken (without a URL: others than those built in), 2 wrong arguments.
`;

export interface Options {
  help: boolean;
  url: string | undefined;
  out: string | undefined;
  limit: number;
  perHost: number;
  timeout: number;
  sameHost: boolean;
}

/** The arguments are wrong; the message says how. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** @throws {UsageError} If an argument is unknown or has a value that makes no sense. */
export function parseOptions(args: string[]): Options {
  const { values, positionals } = readArguments(args);
  if (positionals.length > 1)
    throw new UsageError(`Expected one URL, got ${positionals.length}: ${positionals.join(" ")}`);
  const url = positionals[0];
  return {
    help: values.help,
    url: url === undefined ? undefined : webAddress(url),
    out: values.out,
    limit: positive("--limit", values.limit),
    perHost: positive("--per-host", values["per-host"]),
    timeout: positive("--timeout", values.timeout ?? (url === undefined ? "1500" : "10000")),
    sameHost: values["same-host"] || url === undefined,
  };
}

function readArguments(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        out: { type: "string" },
        limit: { type: "string", default: "1000" },
        "per-host": { type: "string", default: "6" },
        timeout: { type: "string" },
        "same-host": { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function positive(option: string, value: string): number {
  const number = Number(value);
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new UsageError(`Expected a whole number above 0 for ${option}, got "${value}"`);
}

function webAddress(text: string): string {
  const url = URL.parse(text);
  if (url?.protocol === "http:" || url?.protocol === "https:") return url.href;
  throw new UsageError(`Expected a URL that starts with http:// or https://, got "${text}"`);
}
