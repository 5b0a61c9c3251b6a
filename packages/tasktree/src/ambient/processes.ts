import childProcessModule, { type ChildProcess } from "node:child_process";
import { Call, withSignal } from "./call.ts";
import { imported, type Ambient, type Family } from "./platform.ts";

/** What `promisify` gives for `exec` and `execFile`. */
type WithChild = Promise<unknown> & { child?: ChildProcess };

/** `exec(command, options?, …)`; the others have a list of arguments before the options, which may be left out. */
function placeOfOptions(name: string, args: readonly unknown[]): number {
  if (name === "exec") return 1;
  const isList = Array.isArray(args[1]) || ((args[1] === undefined || args[1] === null) && args.length > 2);
  return isList ? 2 : 1;
}

function started(name: string): Ambient {
  return (real, args) => {
    const call = new Call(() => describe(args));
    void call.refused();
    const child = real(...withSignal(args, placeOfOptions(name, args), call.signal)) as ChildProcess;
    call.watch(child);
    child.once("exit", () => call.ended());
    return child;
  };
}

function promised(name: string): Ambient {
  return (real, args) => {
    const call = new Call(() => describe(args));
    const refusal = call.refused();
    if (refusal !== undefined) return refusal;
    const promise = real(...withSignal(args, placeOfOptions(name, args), call.signal)) as WithChild;
    return Object.assign(call.follow(promise), { child: promise.child });
  };
}

function describe(args: readonly unknown[]): string {
  return `process '${String(args[0])}'`;
}

export const processFamily: Family<typeof childProcessModule> = {
  owner: childProcessModule,
  functions: { exec: started("exec"), execFile: started("execFile"), spawn: started("spawn"), fork: started("fork") },
  promisified: { exec: promised("exec"), execFile: promised("execFile") },
};

type Names = "exec" | "execFile" | "spawn" | "fork";

/**
 * `exec`, `execFile`, `spawn` and `fork` of `node:child_process`. Inside of a scope, a cancellation kills the child, with `killSignal`.
 *
 * Cancellation: Promisified, a checkpoint, effects possible. Else not a checkpoint: the child gets an `error` event.
 */
export const childProcess: Pick<typeof import("node:child_process"), Names> = imported(processFamily);
