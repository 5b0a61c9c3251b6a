/** Mutations of packages/tasktree/src/ambient. */
import type { Mutation } from "./index.ts";

const ambient = "packages/tasktree/src/ambient";

export const ofAmbient: readonly Mutation[] = [
  {
    clause: "C3a",
    file: `${ambient}/call.ts`,
    find: "return call.refused() ?? call.follow(start(call.signal));",
    replace: "return call.follow(start(call.signal));",
  },
  {
    clause: "C2c",
    file: `${ambient}/call.ts`,
    find: "if (cut) void this.refused();",
    replace: "",
  },
  {
    clause: "C2a",
    file: `${ambient}/call.ts`,
    find: "const cut = this.signal.aborted && isAbort(error);",
    replace: "const cut = this.signal.aborted;",
  },
  {
    clause: "C6a",
    file: `${ambient}/call.ts`,
    find: "given instanceof AbortSignal ? AbortSignal.any([given, signal]) : given",
    replace: "given",
  },
  {
    clause: "C6a",
    file: `${ambient}/call.ts`,
    find: 'if (typeof given === "function") filled.splice(place, 0, { signal });',
    replace: 'if (typeof given === "function") return filled;',
  },
  {
    clause: "C6a",
    file: `${ambient}/requests.ts`,
    find: "if (call.failed(error)) process.nextTick(() => response.destroy(error));",
    replace: "call.failed(error);",
  },
  {
    clause: "C6a",
    file: `${ambient}/processes.ts`,
    find: "return isList ? 2 : 1;",
    replace: "return isList ? 1 : 2;",
  },
  {
    clause: "C6a",
    file: `${ambient}/names.ts`,
    find: "await abandonOnCancel(answer)",
    replace: "await answer",
  },
  {
    clause: "C6a",
    file: `${ambient}/streams.ts`,
    find: "isOptions(args.at(-1)) ? args.length - 1 : args.length",
    replace: "args.length",
  },
  {
    clause: "C6a",
    file: `${ambient}/install.ts`,
    find: "  callbackFileFamily,\n  processFamily,",
    replace: "  processFamily,",
  },
  {
    clause: "C7d",
    file: `${ambient}/call.ts`,
    find: "readonly signal: AbortSignal = currentSignal();",
    replace: "readonly signal: AbortSignal = here().signal;",
  },
  {
    clause: "A1",
    file: `${ambient}/fetch.ts`,
    find: "return { ...Object.fromEntries(inherited.map((name) => [name, init[name]])), ...init };",
    replace: "return { ...init };",
  },
  {
    clause: "A1",
    file: `${ambient}/fetch.ts`,
    find: 'copy["signal"] === undefined ? (input as { signal?: unknown } | undefined)?.signal : copy["signal"];',
    replace: 'copy["signal"] ?? (input as { signal?: unknown } | undefined)?.signal;',
  },
  {
    clause: "K9",
    file: `${ambient}/call.ts`,
    find: "if (this.failed(error)) handle(followed);",
    replace: "this.failed(error);",
  },
];
