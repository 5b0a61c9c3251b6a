import assert from "node:assert/strict";
import test from "node:test";
import { HttpError } from "../../index.ts";
import { checkLiteral, guardedLookup, isPublic, type Allowed } from "./addresses.ts";

/** What a look-up of localhost comes to. */
function looked(allowed: Allowed): Promise<unknown> {
  return new Promise((resolve) => {
    guardedLookup(allowed)("localhost", {}, (error, address) => resolve(error ?? address));
  });
}

test("U8 nothing but true lets an address through: not the promise of an asynchronous function", async () => {
  for (const answer of [Promise.resolve(false), Promise.resolve(true), 1, "yes", undefined]) {
    const allowed = (() => answer) as unknown as Allowed;
    assert.throws(() => checkLiteral("127.0.0.1", allowed), HttpError);
    assert.ok((await looked(allowed)) instanceof HttpError);
  }
  checkLiteral("127.0.0.1", () => true);
  assert.ok(["127.0.0.1", "::1"].includes((await looked(() => true)) as string));
});

test("what the function throws for an address that was looked up comes to who asked", async () => {
  const error = new Error("from the function");
  const thrower = (thrown: unknown) => (): never => {
    throw thrown;
  };
  assert.equal(await looked(thrower(error)), error);
  assert.match(String(await looked(thrower("text"))), /^HttpError: .* has thrown "text"$/);
});

test("isPublic() is false for every special range of IPv4, from its first address to its last, and not beside it", () => {
  const ranges = [
    ["0.0.0.0", "0.255.255.255"],
    ["10.0.0.0", "10.255.255.255"],
    ["100.64.0.0", "100.127.255.255"],
    ["127.0.0.0", "127.255.255.255"],
    ["169.254.0.0", "169.254.255.255"],
    ["169.254.169.254", "169.254.169.254"],
    ["172.16.0.0", "172.31.255.255"],
    ["192.0.0.0", "192.0.0.255"],
    ["192.0.2.0", "192.0.2.255"],
    ["192.88.99.0", "192.88.99.255"],
    ["192.168.0.0", "192.168.255.255"],
    ["198.18.0.0", "198.19.255.255"],
    ["198.51.100.0", "198.51.100.255"],
    ["203.0.113.0", "203.0.113.255"],
    ["224.0.0.0", "255.255.255.255"],
  ];
  for (const address of ranges.flat()) assert.equal(isPublic(address, 4), false, address);
  const beside = [
    ["1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0"],
    ["169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.0.3.0", "192.167.255.255"],
    ["192.169.0.0", "198.17.255.255", "198.20.0.0", "203.0.112.255", "203.0.114.0", "223.255.255.255", "8.8.8.8"],
  ];
  for (const address of beside.flat()) assert.equal(isPublic(address, 4), true, address);
});

test("isPublic() is true for global IPv6 alone, however an address is written", () => {
  const special = [
    [
      "::",
      "::1",
      "::ffff:127.0.0.1",
      "::ffff:8.8.8.8",
      "::ffff:7f00:1",
      "::127.0.0.1",
      "64:ff9b::7f00:1",
      "64:ff9b:1::1",
    ],
    ["100::1", "2001::1", "2001:0:7f00:1::", "2001:1ff:ffff::", "2001:db8::1", "2001:DB8:0:0:0:0:0:1", "2002:7f00:1::"],
    [
      "3fff::1",
      "5f00::1",
      "fc00::1",
      "fd12:3456::1",
      "fe80::1",
      "fe80::1%eth0",
      "fec0::1",
      "ff02::1",
      "4000::1",
      "1fff::1",
    ],
  ];
  for (const address of special.flat()) assert.equal(isPublic(address, 6), false, address);
  for (const address of ["2001:4860:4860::8888", "2606:4700::1111", "2a00:1450::1", "2003::1", "3ffe::1"])
    assert.equal(isPublic(address, 6), true, address);
});
