import type { Shape } from "../lib/contract.ts";

// Loaded on demand, as the peers are: only the process that measures a shape holds tasktree.
const loaders: Record<string, () => Promise<Shape>> = {
  "cancel-linear": async () => (await import("./cancel-linear.ts")).cancelLinear,
  "mutex-linear": async () => (await import("./mutex-linear.ts")).mutexLinear,
  "nested-scopes": async () => (await import("./nested-scopes.ts")).nestedScopes,
  "short-children": async () => (await import("./short-children.ts")).shortChildren,
  "scope-leaks": async () => (await import("./scope-leaks.ts")).scopeLeaks,
  "many-sleepers": async () => (await import("./many-sleepers.ts")).manySleepers,
};

export const shapeNames: string[] = Object.keys(loaders);

export async function loadShape(name: string): Promise<Shape> {
  const load = loaders[name];
  if (!load) throw new Error(`Unknown shape: ${name} (one of ${shapeNames.join(", ")})`);
  return await load();
}
