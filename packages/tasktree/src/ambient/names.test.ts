/** Names looked up with tasktree/ambient. */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import dnsPromises from "node:dns/promises";
import { once } from "node:events";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { isCancelled, moveOnAfter, withCancelScope } from "../index.ts";
import { dns } from "./index.ts";

/** Calls `use` while the platform's name server is one that never answers; gives how many questions it got. */
async function withSilence(use: (asked: () => number) => Promise<void>): Promise<void> {
  const silent = createSocket("udp4");
  let asked = 0;
  silent.on("message", () => asked++);
  silent.bind(0, "127.0.0.1");
  await once(silent, "listening");
  const before = dnsPromises.getServers();
  dnsPromises.setServers([`127.0.0.1:${silent.address().port}`]);
  try {
    await use(() => asked);
  } finally {
    dnsPromises.setServers(before);
    silent.close();
  }
}

const questions: Record<string, () => Promise<unknown>> = {
  resolve4: () => dns.resolve4("silent.test"),
  resolve: () => dns.resolve("silent.test", "MX"),
  reverse: () => dns.reverse("192.0.2.1"),
};

for (const [name, ask] of Object.entries(questions)) {
  test(`C6a dns.${name} is cut while it waits, and asks no more`, () =>
    withSilence(async (asked) => {
      const begun = performance.now();
      assert.equal(await moveOnAfter(100, ask), undefined);
      assert.ok(performance.now() - begun < 3000);
      assert.ok(asked() > 0);
    }));

  test(`C3a dns.${name} asks nothing in a cancelled scope`, () =>
    withSilence(async (asked) => {
      await withCancelScope(async (scope) => {
        scope.cancel();
        assert.ok(isCancelled(await rejection(ask())));
      });
      assert.equal(asked(), 0);
    }));
}

test("dns.lookup answers, and is refused in a cancelled scope", () =>
  withCancelScope(async (scope) => {
    assert.equal((await dns.lookup("127.0.0.1")).address, "127.0.0.1");
    scope.cancel();
    assert.ok(isCancelled(await rejection(dns.lookup("127.0.0.1"))));
  }));

test("that a question is wrong is told as ever", () =>
  withCancelScope(async () => {
    const error = (await rejection(dns.reverse("no address"))) as NodeJS.ErrnoException;
    assert.match(error.code!, /EINVAL|ENOTIMP/); // the second is Bun's
  }));
