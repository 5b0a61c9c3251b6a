// tasktree itself, from its source (types are stripped when it is loaded) or, with --dist, as it was built.
import { packageVersion } from "./version.ts";

const built = process.argv.includes("--dist");
const entry = built ? "../../packages/tasktree/dist/index.js" : "../../packages/tasktree/src/index.ts";

export const tasktree = (await import(entry)) as typeof import("../../packages/tasktree/src/index.ts");

export function describeSubject(): string {
  return `tasktree ${packageVersion("../packages/tasktree")} (${built ? "dist" : "source"})`;
}
