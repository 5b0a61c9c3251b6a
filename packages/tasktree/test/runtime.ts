/** What the tests need to know about the runtime they run on. */

export type Runtime = "node" | "bun" | "deno";

export const runtime: Runtime = process.versions["bun"] ? "bun" : process.versions["deno"] ? "deno" : "node";

/** Whether this is the Node that the suite is written on: what takes long is tried here, and a little of it elsewhere. */
export const isPinned: boolean = runtime === "node" && Number.parseInt(process.versions.node, 10) >= 26;

/**
 * Options for a test that some runtime cannot pass: `test("R3 …", skipOn({ bun: "never fires beforeExit" }), …)`.
 * Each such test needs a row in docs/runtimes.md that begins with its rule (or its name); `npm run check -- rules` looks.
 */
export function skipOn(reasons: Partial<Record<Runtime, string>>): { skip: string | false } {
  return { skip: reasons[runtime] ?? false };
}
