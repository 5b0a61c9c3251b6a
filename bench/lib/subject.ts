// tasktree itself, from its source (types are stripped when it is loaded) or, with --dist, as it was built.
import { packageVersion } from "./version.ts";

const built = process.argv.includes("--dist");

async function door(name: string): Promise<unknown> {
  const folder = "../../packages/tasktree/";
  return await import(built ? `${folder}dist/${name}.js` : `${folder}src/${name}.ts`);
}

export const tasktree = (await door("index")) as typeof import("../../packages/tasktree/src/index.ts");
export const queues = (await door("queues/index")) as typeof import("../../packages/tasktree/src/queues/index.ts");

/** Only when wanted: a measurement of the library holds no test kit. */
export async function loadTesting(): Promise<typeof import("../../packages/tasktree/src/testing/index.ts")> {
  return (await door("testing/index")) as typeof import("../../packages/tasktree/src/testing/index.ts");
}

/** Only when wanted, too. */
export async function loadNet(): Promise<typeof import("../../packages/tasktree/src/net/index.ts")> {
  return (await door("net/index")) as typeof import("../../packages/tasktree/src/net/index.ts");
}

export async function loadHttpDoor(): Promise<typeof import("../../packages/tasktree/src/http/index.ts")> {
  return (await door("http/index")) as typeof import("../../packages/tasktree/src/http/index.ts");
}

export async function loadHttpNode(): Promise<typeof import("../../packages/tasktree/src/http/node.ts")> {
  return (await door("http/node")) as typeof import("../../packages/tasktree/src/http/node.ts");
}

export async function loadHttpFastify(): Promise<typeof import("../../packages/tasktree/src/http/fastify.ts")> {
  return (await door("http/fastify")) as typeof import("../../packages/tasktree/src/http/fastify.ts");
}

export function describeSubject(): string {
  return `tasktree ${packageVersion("../packages/tasktree")} (${built ? "dist" : "source"})`;
}
