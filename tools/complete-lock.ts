/**
 * Adds the platform binaries that npm left out of package-lock.json; `npm run lock` runs it.
 *
 * `npm install` drops optional dependencies that the registry at hand does not serve for other platforms; `npm ci` then refuses the
 * lock ("Missing: … from lock file"). Every tool here names its binaries `…os-cpu[-libc]` with an exact version, which is
 * all an entry needs.
 */
import { readFileSync, writeFileSync } from "node:fs";

interface Entry {
  version?: string;
  optionalDependencies?: Record<string, string>;
  [field: string]: unknown;
}

export interface Lock {
  packages: Record<string, Entry>;
  [field: string]: unknown;
}

/** The names of the optional dependencies that the lock has no entry for, each with its version. */
export function missingFrom(lock: Lock): [name: string, version: string][] {
  return Object.entries(lock.packages)
    .filter(([path]) => path !== "") // the root's own are served for every platform
    .flatMap(([, entry]) => Object.entries(entry.optionalDependencies ?? {}))
    .filter(([name]) => !(`node_modules/${name}` in lock.packages));
}

export function completed(lock: Lock): Lock {
  const added = missingFrom(lock).map(([name, version]): [string, Entry] => [
    `node_modules/${name}`,
    { version, ...platform(name), dev: true, optional: true },
  ]);
  const packages = [...Object.entries(lock.packages), ...added].sort(([a], [b]) => (a < b ? -1 : 1));
  return { ...lock, packages: Object.fromEntries(packages) };
}

/** `@oxlint/binding-linux-x64-musl` → `{ os: ["linux"], cpu: ["x64"], libc: ["musl"] }` */
function platform(name: string): { os: string[]; cpu: string[]; libc?: string[] } {
  const [os, cpu, abi = ""] = name.replace(/^.*\/(?:binding-|cli-)?/, "").split("-");
  if (os === undefined || cpu === undefined) throw new Error(`Cannot complete the lock: no os-cpu in the name ${name}`);
  const libc = abi.startsWith("musl") ? ["musl"] : abi.startsWith("gnu") ? ["glibc"] : undefined;
  return { os: [os], cpu: [cpu], ...(libc && { libc }) };
}

if (import.meta.main) {
  const file = "package-lock.json";
  const lock = JSON.parse(readFileSync(file, "utf8")) as Lock;
  writeFileSync(file, `${JSON.stringify(completed(lock), null, 2)}\n`);
  console.log(`${file}: ${missingFrom(lock).length} platform packages added`);
}
