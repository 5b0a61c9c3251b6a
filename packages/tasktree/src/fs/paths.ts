import { dirname, join } from "node:path";
import { brief, isObject } from "../errors.ts";

/** Where a file is: a path, its bytes where the name is no UTF-8, or a `file:` URL. */
export type FilePath = string | Buffer | URL;

/** A path as reports and errors show it. */
export function shown(path: FilePath): string {
  if (typeof path === "string") return `'${path}'`;
  if (path instanceof URL) return path.href;
  return path instanceof Uint8Array ? `'${String(path)}'` : brief(path);
}

/** @throws {TypeError} If `path` is none. */
export function checkPath(what: string, path: unknown): asserts path is FilePath {
  if (typeof path === "string" || path instanceof Uint8Array || path instanceof URL) return;
  throw new TypeError(`Cannot ${what} ${brief(path)}: wanted a path, as a string, a Buffer or a URL`);
}

/** A path without URLs. */
export type Place = string | Buffer;

const slash = 47;

/** `name` in the folder in which `path` is, links and dots left as they are. */
export function beside(path: Place, name: Place): Place {
  if (typeof path === "string") return `${dirname(path)}/${String(name)}`;
  return Buffer.concat([path.subarray(0, path.lastIndexOf(slash) + 1), Buffer.from(name as string)]);
}

/** `name` in the folder `path`. */
export function inside(path: Place, name: Place): Place {
  if (typeof path === "string") return join(path, String(name));
  return Buffer.concat([path, ...(path.at(-1) === slash ? [] : [Buffer.from("/")]), Buffer.from(name as string)]);
}

/** What went wrong, as the system calls it: "ENOENT". */
export function codeOf(error: unknown): unknown {
  return isObject(error) ? (error as { code?: unknown }).code : undefined;
}

/** Undefined if there is no such file. */
export async function unlessMissing<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
    return undefined;
  }
}
