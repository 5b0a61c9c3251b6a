/**
 * Where tasktree's own code is: in files as they were written, or in chunks as it is built (tools/build.ts). What people import or a
 * thread begins with has the same path in both. With `--enable-source-maps` a stack names the source of what is built.
 */

/** This module as it is written, inside of the command, and in a chunk; anything else is somebody's bundle. */
const known = /^(?:file:\/\/)?(.*\/)(src|dist)\/(?:internal\/own-folder\.ts|cli\/main\.js|chunks\/tasktree-\w+\.js)$/;

/** In somebody's CommonJS there is none. */
const url: string = (import.meta as { readonly url?: string }).url ?? "";

let folders: readonly string[] | undefined;

/**
 * Whether a place (a script's name, a line of a stack) is in tasktree's own code. Tests that stand beside the source are not, and
 * in somebody's bundle everything is that is in the same file.
 */
export function isOwn(place: string): boolean {
  folders ??= ownFolders();
  return folders.some((folder) => place.includes(folder)) && !place.includes(".test.");
}

function ownFolders(): string[] {
  const folder = known.exec(url)?.[1];
  if (folder === undefined) return url === "" ? [] : [url, url.replace(/^file:\/\//, "")];
  // Bun names files by path, the others by URL.
  const both = new Set([folder, decodeURIComponent(folder)]);
  return [...both].flatMap((folder) => [`${folder}src/`, `${folder}dist/`]);
}

/** The URL of a file of tasktree's own, by its path without the ending. */
export function ownFile(path: string): string {
  const [, , layout] = known.exec(url) ?? [];
  if (layout === undefined) throw new Error(`Cannot load ${path}: tasktree is part of a bundle (${url})`);
  return new URL(`../${path}${layout === "src" ? ".ts" : ".js"}`, url).href;
}
