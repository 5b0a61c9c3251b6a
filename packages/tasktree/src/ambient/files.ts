import fsModule from "node:fs";
import fsPromises from "node:fs/promises";
import { isObject } from "../errors.ts";
import { Call, iterated, waited, withSignal } from "./call.ts";
import { imported, type Ambient, type Family, type Real } from "./platform.ts";

/** The place of the options, which may hold a signal. */
const withOptions: Readonly<Record<string, number>> = { readFile: 1, writeFile: 2, appendFile: 2 };

/** What takes away begins always, as `close` does; what gives an iterator without a signal is the platform's. */
const untouched: ReadonlySet<string> = new Set(["rm", "rmdir", "unlink", "close", "glob", "watch"]);

const watch: Ambient = (real, args) =>
  iterated(
    () => `changes of ${String(args[0])}`,
    (signal) => real(...withSignal(args, 1, signal, "encoding")) as AsyncIterator<unknown>,
  );

/** As a checkpoint; goes to its end once it has begun, where the platform takes no signal. */
function called(name: string): Ambient {
  const place = withOptions[name];
  return (real, args) =>
    waited(
      () => describe(name, args),
      (signal) =>
        real(...(place === undefined ? args : withSignal(args, place, signal, "encoding"))) as Promise<unknown>,
    );
}

function describe(name: string, args: readonly unknown[]): string {
  const [file] = args;
  return typeof file === "string" || file instanceof URL ? `fs.${name} of ${String(file)}` : `fs.${name}`;
}

/** The form with a callback. */
function calledBack(name: string): Ambient {
  return (real, args) => {
    const callback = args.at(-1);
    const call = new Call(() => describe(name, args));
    void call.refused();
    if (typeof callback === "function") {
      args[args.length - 1] = (error: unknown, ...values: unknown[]) => {
        if (isObject(error)) call.failed(error);
        else call.ended();
        (callback as Real)(error, ...values);
      };
    }
    const result = real(...withSignal(args, withOptions[name]!, call.signal, "encoding"));
    call.begin();
    return result;
  };
}

const names = Object.entries(fsPromises)
  .filter(([name, value]) => typeof value === "function" && !untouched.has(name))
  .map(([name]) => name);

export const fileFamily: Family<typeof fsPromises> = {
  owner: fsPromises,
  functions: { ...Object.fromEntries(names.map((name) => [name, called(name)])), watch },
};

export const callbackFileFamily: Family = {
  owner: fsModule,
  functions: Object.fromEntries(Object.keys(withOptions).map((name) => [name, calledBack(name)])),
};

/**
 * `node:fs/promises`. Inside of a scope, a cancellation cuts `readFile`, `writeFile`, `appendFile` and `watch`; the others are
 * checkpoints on entry and go to their end, since the platform cannot stop them. `rm`, `rmdir` and `unlink` begin always.
 *
 * Cancellation: Checkpoint, effects possible: a part of a file may be written.
 */
export const fs: typeof import("node:fs/promises") = imported(fileFamily);
