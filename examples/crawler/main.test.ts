import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";

const cli = join(import.meta.dirname, "../../packages/tasktree/src/cli/main.ts");
const bounded = { timeout: 60_000 };

/** Starts the program as `npm start` does. */
function start(...args: string[]): ChildProcess {
  const program = ["--conditions=@tasktree/source", cli, "run", join(import.meta.dirname, "main.ts"), "--", ...args];
  return spawn(process.execPath, program, { stdio: ["ignore", "pipe", "pipe"] });
}

async function finish(child: ChildProcess): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const [stdout, stderr] = await Promise.all([text(child.stdout!), text(child.stderr!)]);
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return { code: child.exitCode, stdout, stderr };
}

function fileFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "crawler-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, "pages.ndjson");
}

function readLines(file: string): Record<string, unknown>[] {
  const content = existsSync(file) ? readFileSync(file, "utf8") : "";
  const lines = content.split("\n");
  assert.equal(lines.pop(), "", "the last line is whole");
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

function pagesReported(stdout: string): number {
  return Number(/^(\d+) pages? done in/m.exec(stdout)?.[1]);
}

test("without arguments the program checks the demo site, finds what is built in, and succeeds", bounded, async (t) => {
  const file = fileFor(t);
  const { code, stdout, stderr } = await finish(start("--out", file));
  assert.match(stdout, /Nothing is missing and nothing else was found/);
  assert.equal(stderr, "");
  assert.equal(code, 0);

  const lines = readLines(file);
  assert.equal(lines.length, pagesReported(stdout));
  assert.equal(new Set(lines.map((line) => line["url"])).size, lines.length);
  const find = (path: string) => lines.find((line) => String(line["url"]).endsWith(path));
  const { url, foundOn, ms, bytes, ...notes } = find("/trouble/notes")!;
  assert.deepEqual(notes, { status: 200, type: "text/html; charset=utf-8", links: 10 });
  assert.match(`${String(url)} ${String(foundOn)}`, /^http:.*\/trouble\/notes http:.*\/trouble\/$/);
  assert.ok(Number(ms) >= 0 && Number(bytes) > 100);
  assert.equal(find("/trouble/stuck")?.["trouble"], "timeout");
  assert.match(String(find("/trouble/loop/1")?.["redirect"]), /\/trouble\/loop\/2$/);
});

test("--limit ends the check early, and what was not looked at does not count as missing", bounded, async (t) => {
  const file = fileFor(t);
  const { code, stdout } = await finish(start("--limit", "3", "--out", file));
  assert.equal(pagesReported(stdout), 3);
  assert.match(stdout, /not asked for: the limit was reached/);
  assert.equal(readLines(file).length, 3);
  assert.equal(code, 0);
});

test("wrong arguments are explained with exit code 2, --help is no error", bounded, async () => {
  const [wrong, noFolder, help] = await Promise.all([
    finish(start("--limit", "-1")),
    finish(start("--out", join(tmpdir(), "no", "such", "folder"))),
    finish(start("--help")),
  ]);
  assert.deepEqual([wrong.code, noFolder.code, help.code], [2, 2, 0]);
  assert.match(wrong.stderr, /--limit/);
  assert.match(noFolder.stderr, /^Cannot write to .*ENOENT/);
  assert.match(help.stdout, /--per-host N/);
});

test("a site that is not there gives exit code 1", bounded, async () => {
  const { code, stdout } = await finish(start("http://127.0.0.1:2/"));
  assert.match(stdout, /connection refused +http:\/\/127.0.0.1:2\//);
  assert.equal(code, 1);
});

const signals = { ...bounded, skip: process.platform === "win32" && "Windows has no SIGINT to send" };

test("Ctrl-C keeps what is done, reports it, and ends with 130", signals, async (t) => {
  const file = fileFor(t);
  const child = start("--out", file, "--timeout", "60000"); // so that the page that never answers keeps it running
  const finished = finish(child);
  while (!existsSync(file) || readFileSync(file, "utf8").split("\n").length < 8) await delay(10);
  child.kill("SIGINT");
  const { code, stdout, stderr } = await finished;
  assert.equal(code, 130);
  assert.equal(stderr, "");
  assert.match(stdout, /^Stopped before the end/m);
  assert.ok(pagesReported(stdout) >= 7);
  assert.equal(readLines(file).length, pagesReported(stdout));
});
