/**
 * The file of a unix socket: whose it is, and how to replace one that was left behind. Two programs may be at it at once, and a
 * path says nothing of who has bound it; so files are told apart by device and number. One that is taken away is kept beside its
 * path until the new one is there, so that the new one cannot get its number.
 */
import { lstatSync, renameSync, type BigIntStats } from "node:fs";
import { connect } from "node:net";
import { BrokenError, InvalidStateError } from "../errors.ts";
import { opened, reasonOf } from "./opening.ts";

/** The file at `path`; undefined if there is none, or if the path is no file's: an abstract socket, a pipe of Windows. */
export function fileAt(path: string): BigIntStats | undefined {
  if (path.startsWith("\0") || path.startsWith("\\\\")) return undefined;
  return lstatSync(path, { throwIfNoEntry: false, bigint: true });
}

/** The socket at `path` if nobody listens on it. */
export async function staleAt(path: string): Promise<BigIntStats | undefined> {
  const file = fileAt(path);
  return file?.isSocket() && (await refusesConnections(path)) ? file : undefined;
}

/** Moves the file at `path` aside if it is `wanted`; where to, or undefined if it is there no more. */
export function takeAway(path: string, wanted: BigIntStats): string | undefined {
  if (!isSame(fileAt(path), wanted)) return undefined;
  const aside = beside(path);
  try {
    renameSync(path, aside);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw new InvalidStateError(`Cannot listen on '${path}': cannot replace the socket there: ${reasonOf(error)}`, {
      cause: error,
    });
  }
  if (isSame(fileAt(aside), wanted)) return aside;
  renameSync(aside, path); // somebody has replaced it just now
  return undefined;
}

/** Calls what removes the file at `path`, whosever it is; if it is not `own`, it is out of the way for that moment. */
export function removingOnly(own: BigIntStats | undefined, path: string, remove: () => void): void {
  const file = fileAt(path);
  const aside = file === undefined || isSame(file, own) ? undefined : takeAway(path, file);
  try {
    remove();
  } finally {
    if (aside !== undefined) renameSync(aside, path);
  }
}

function beside(path: string): string {
  return `${path}.${Math.random().toString(36).slice(2)}`;
}

function isSame(one: BigIntStats | undefined, other: BigIntStats | undefined): boolean {
  return one !== undefined && one.dev === other?.dev && one.ino === other.ino;
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

/** Any other error than this says that somebody is there: with a full backlog, say, or with a socket of another kind. */
async function refusesConnections(path: string): Promise<boolean> {
  const socket = connect(path);
  const why = (cause: unknown): Error => new BrokenError(`Cannot connect to '${path}': ${reasonOf(cause)}`, { cause });
  try {
    await opened(socket, { what: `an answer from '${path}'`, event: "connect", undo: () => socket.destroy(), why });
    return false;
  } catch (error) {
    if (!(error instanceof BrokenError)) throw error;
    return (error.cause as NodeJS.ErrnoException).code === "ECONNREFUSED";
  } finally {
    socket.destroy();
  }
}
