import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { surfaceOf } from "./api.ts";
import { root } from "./source.ts";

const files = {
  "package.json": JSON.stringify({
    name: "fake",
    type: "module",
    exports: {
      ".": { "@tasktree/source": "./src/index.ts" },
      "./deep": { "@tasktree/source": "./src/deep/index.ts" },
      "./package.json": "./package.json",
    },
  }),
  "tsconfig.build.json": JSON.stringify({
    extends: "../../tsconfig.base.json",
    compilerOptions: { rootDir: "src" },
    include: ["src"],
  }),
  "src/index.ts": `
    export { a, b as c } from "./values.ts";
    export type { Shape } from "./values.ts";
    export * from "./thing.ts";`,
  "src/deep/index.ts": `export { Thing } from "../thing.ts";\nexport { hidden } from "../values.ts";`,
  "src/values.ts": `
    /** A comment. */
    export const a = 1 as const;
    export function b(x: string): string;
    export function b(x: number): number;
    export function b(x: unknown): unknown { return x; }
    export interface Shape { readonly side: number; }
    export const hidden: Promise<void> = Promise.resolve();`,
  "src/thing.ts": `
    export class Thing {
      #state = 1;
      /** @internal */ _secret(): void {}
      get state(): number { return this.#state; }
    }`,
};

const expected = `# The public surface of tasktree

Written by \`npm run api\`; do not edit.

## fake

\`\`\`ts
interface Shape {
    readonly side: number;
}

declare class Thing {
    #private;
    get state(): number;
}

declare const a: 1;

// exported as c
declare function b(x: string): string;
declare function b(x: number): number;
\`\`\`

## fake/deep

\`\`\`ts
// Thing: see fake

declare const hidden: Promise<void>;
\`\`\`
`;

test("surfaceOf() follows re-exports, sorts, and leaves out comments and what is internal", async () => {
  mkdirSync(join(root, ".cache"), { recursive: true });
  const folder = mkdtempSync(join(root, ".cache/api-test-"));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    assert.equal(await surfaceOf(folder), expected);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
