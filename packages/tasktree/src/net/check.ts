import { brief } from "../errors.ts";
import { isCount } from "../internal/count.ts";

const lastPort = 65_535;

/** @throws {TypeError} @throws {RangeError} If these are no host and no port to use. */
export function checkAddress(what: string, host: unknown, port: unknown, least: number): void {
  if (typeof host !== "string" || host === "")
    throw new TypeError(`Cannot ${what} ${brief(host)}: wanted the name or address of a host`);
  if (isCount(port, least) && port <= lastPort) return;
  throw new RangeError(
    `Cannot ${what} '${host}:${brief(port)}': wanted a port, a whole number from ${least} to ${lastPort}`,
  );
}

export function checkPath(what: string, path: unknown): asserts path is string {
  if (typeof path === "string" && path !== "") return;
  throw new TypeError(`Cannot ${what} ${brief(path)}: wanted the path of a unix socket`);
}

/** @throws {RangeError} If the option `name` is not a whole number from 1, or Infinity. */
export function checkAmount(what: string, name: string, value: unknown): void {
  if (isCount(value, 1)) return;
  throw new RangeError(`Cannot ${what} with ${name} ${brief(value)}: wanted a whole number from 1, or Infinity`);
}

/** `host:port`, brackets around what has colons itself. */
export function shown(host: string | undefined, port: number | undefined): string {
  return host?.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
