/** What a server does when its process is told to end. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { program, startFile, type Child } from "../../../test/child.ts";
import { RawClient, refused } from "../../../test/http-clients.ts";

const command = join(import.meta.dirname, "../../cli/main.ts");

async function started(drainMs: number): Promise<[Child, { port: number }]> {
  const child = startFile(command, ["run", program("http-server.ts"), `--drain=${drainMs}`]);
  await child.printed("port");
  return [child, { port: Number(/port (\d+)/.exec(child.stdout)![1]) }];
}

async function asking(listener: { port: number }, path: string, count: number): Promise<RawClient[]> {
  const clients = await Promise.all(Array.from({ length: count }, () => RawClient.open(listener)));
  for (const client of clients) client.get(path);
  return clients;
}

test("U5 SIGTERM during 100 requests: all get their answers, nobody else is let in, and the exit code is 143", async () => {
  const [child, listener] = await started(20_000);
  const idle = await RawClient.open(listener);
  idle.get("/now");
  await idle.has("done");
  const clients = await asking(listener, "/fast", 100);
  await child.printed("begun 101.");
  child.kill("SIGTERM");
  await idle.whole();
  await refused(listener);
  for (const client of clients) assert.match(await client.whole(), /^HTTP\/1\.1 200 OK[^]*done$/);
  const { code, stdout, stderr } = await child.ended;
  assert.equal(code, 143, stderr);
  assert.match(stdout, /drained/);
});

test("U5 SIGTERM with requests that take longer than the drain: they are cancelled, and clean up", async () => {
  const [child, listener] = await started(400);
  const slow = await asking(listener, "/slow", 20);
  const fast = await asking(listener, "/fast", 20);
  await child.printed("begun 40.");
  child.kill("SIGTERM");
  for (const client of fast) assert.match(await client.whole(), /^HTTP\/1\.1 200 OK[^]*done$/);
  for (const client of slow) assert.match(await client.whole(), /^HTTP\/1\.1 503 /);
  const { code, stdout, stderr } = await child.ended;
  assert.equal(code, 143, stderr);
  assert.match(stdout, /cleaned 20/);
});
