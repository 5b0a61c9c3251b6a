/**
 * Which addresses may be connected to. They are looked at where the connection is made, after the name was looked up, so that a
 * name cannot mean one address when it is checked and another when it is used (DNS rebinding).
 *
 * What is public is what IANA's registries of special-purpose addresses leave
 * (https://www.iana.org/assignments/iana-ipv4-special-registry, …/iana-ipv6-special-registry).
 */
import { lookup, type LookupAddress } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";
import { brief, HttpError } from "../../errors.ts";

export type Allowed = (address: string, family: 4 | 6) => boolean;

const special4 = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/3",
];

/** What stands for an IPv4 address, or for none, within what is global. */
const special6 = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];

const special = new BlockList();
for (const range of special4) addRange(range, "ipv4");
for (const range of special6) addRange(range, "ipv6");

/** All of IPv6 that is global: not loopback, link-local, unique local, multicast, mapped or translated IPv4. */
const global6 = new BlockList();
global6.addSubnet("2000::", 3, "ipv6");

function addRange(range: string, family: "ipv4" | "ipv6"): void {
  const [address, bits] = range.split("/") as [string, string];
  special.addSubnet(address, Number(bits), family);
}

export function isPublic(address: string, family: 4 | 6): boolean {
  if (family === 4) return !special.check(address, "ipv4");
  const [bare] = address.split("%");
  return global6.check(bare!, "ipv6") && !special.check(bare!, "ipv6");
}

/** @throws {HttpError} If `hostname` is an address that is not allowed; a name is left to its look-up. */
export function checkLiteral(hostname: string, allowed: Allowed): void {
  const family = isIP(hostname) as 0 | 4 | 6;
  if (family !== 0 && !isAllowed(allowed, hostname, family)) throw refusal(hostname, [hostname]);
}

/** Looks a name up, and gives of its addresses those that are allowed. */
export function guardedLookup(allowed: Allowed): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, "");
      const usable = usableOf(addresses, allowed);
      if (usable instanceof Error) return callback(usable, "");
      const [first] = usable;
      if (first === undefined) {
        const found = addresses.map(({ address }) => address);
        callback(refusal(hostname, found), "");
      } else if (options.all === true) {
        callback(null, usable);
      } else {
        callback(null, first.address, first.family);
      }
    });
  };
}

/** Those that are allowed; or what `allowed` has thrown, which nobody else would catch. */
function usableOf(addresses: readonly LookupAddress[], allowed: Allowed): LookupAddress[] | Error {
  try {
    return addresses.filter(({ address, family }) => isAllowed(allowed, address, family as 4 | 6));
  } catch (error) {
    return error instanceof Error ? error : new HttpError(`The client's \`addresses\` has thrown ${brief(error)}`);
  }
}

/** Nothing but `true` is a yes: of an asynchronous function the promise is none. */
function isAllowed(allowed: Allowed, address: string, family: 4 | 6): boolean {
  return (allowed(address, family) as unknown) === true;
}

function refusal(hostname: string, addresses: readonly string[]): HttpError {
  const where = addresses[0] === hostname ? "" : ` (${addresses.join(", ")})`;
  return new HttpError(`Cannot connect to '${hostname}'${where}: the client's \`addresses\` don't allow it`);
}
