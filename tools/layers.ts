/**
 * Checks who imports whom in packages/tasktree/src (DESIGN.md, section 2).
 *
 * - Value imports go down the floors; on one floor only within one folder. `import type` may also go up.
 * - Families (the parts above `timeouts`) meet the core only through the files in `coreDoors`, types included.
 * - Door files only re-export.
 * - Node's modules are imported only where `nodeModules` says so. Nothing else comes from outside: zero dependencies, but for
 *   optional peers, each in the door that is for it.
 * - Foreign abort signals are listened to in one file.
 */
import { join, posix } from "node:path";
import ts from "typescript";
import { filesIn, isTest, lineOf, literalText, parse, report, root, shown } from "./source.ts";

/** Lowest first. A name is a folder of src or a file beside it. */
const floors: readonly (readonly string[])[] = [
  ["internal", "errors"],
  ["core", "lowlevel"],
  ["timeouts"],
  ["sync"],
  ["channels"],
  ["combine"],
  ["streams"],
  ["flow"],
  ["fs", "process", "net"],
  ["workers"],
  ["http", "queues"],
  ["ambient"],
  ["index"],
  ["testing", "inspector", "cli"],
];

/** What a family may import instead of the core's own files. */
const coreDoors = ["lowlevel.ts", "timeouts.ts", "errors.ts"];

/** On the top floor: looks at all of it, so it may also look into the core. */
const observers = ["testing", "inspector", "cli"];

/** Folder or file → the Node modules it may import. What is not listed imports none. */
const nodeModules: Readonly<Record<string, readonly string[] | "any">> = {
  "core/block.ts": ["node:util"],
  "core/current.ts": ["node:async_hooks"],
  "streams/node/end.ts": ["node:stream"],
  "streams/node/to-node-stream.ts": ["node:stream"],
  net: ["node:dgram", "node:dns", "node:fs", "node:net", "node:stream", "node:tls"],
  process: ["node:child_process", "node:fs", "node:os"],
  ambient: [
    "node:child_process",
    "node:dns/promises",
    "node:events",
    "node:fs",
    "node:fs/promises",
    "node:http",
    "node:https",
    "node:module",
    "node:net",
    "node:stream",
    "node:stream/promises",
    "node:timers/promises",
    "node:tls",
    "node:util",
  ],
  "http/server/answer.ts": ["node:http"],
  "http/server/serve-http.ts": ["node:http", "node:https"],
  "http/client/addresses.ts": ["node:dns", "node:net"],
  "http/client/decompress.ts": ["node:stream", "node:zlib"],
  "http/client/options.ts": ["node:net"],
  "http/ws/handshake.ts": ["node:http"],
  "http/ws/ws.ts": ["node:module"],
  fs: ["node:fs", "node:fs/promises", "node:os", "node:path", "node:url"],
  testing: "any",
  inspector: "any",
  cli: "any",
};

/** File → the optional peer it is for. */
const peers: Readonly<Record<string, string>> = {
  "http/client/undici.ts": "undici",
  "http/ws/ws.ts": "ws",
  "testing/runners/vitest.ts": "vitest",
};

const abortListener = "core/signal-bridge.ts";

interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
  readonly line: number;
}

/** Every broken rule in the source folder, as "file:line: what is wrong". */
export function checkLayers(src: string): string[] {
  return filesIn(src, "**/*.ts")
    .filter((path) => !isTest(path))
    .flatMap((path) => {
      const file = parse(join(src, path));
      const found = [...doorProblems(path, file), ...importProblems(path, file), ...listenerProblems(path, file)];
      return found.map(({ line, text }) => `${shown(join(src, path))}:${line}: ${text}`);
    });
}

interface Problem {
  readonly line: number;
  readonly text: string;
}

function doorProblems(path: string, file: ts.SourceFile): Problem[] {
  if (path !== "lowlevel.ts" && posix.basename(path) !== "index.ts") return [];
  return file.statements
    .filter((statement) => !(ts.isExportDeclaration(statement) && statement.moduleSpecifier))
    .map((statement) => ({ line: lineOf(statement), text: "a door file only re-exports (`export … from`)" }));
}

function importProblems(path: string, file: ts.SourceFile): Problem[] {
  if (floorOf(path) === -1)
    return [{ line: 1, text: `${partOf(path)} stands on no floor: add it to the table in tools/layers.ts` }];
  return importsOf(file).flatMap(({ specifier, typeOnly, line }) => {
    const text = specifier.startsWith(".")
      ? insideProblem(path, posix.join(posix.dirname(path), specifier), typeOnly)
      : outsideProblem(path, specifier, typeOnly);
    return text === undefined ? [] : [{ line, text }];
  });
}

function insideProblem(from: string, to: string, typeOnly: boolean): string | undefined {
  if (to.startsWith("..")) return `imports ${to}, which is outside src`;
  if (floorOf(to) === -1) return `imports ${to}, which stands on no floor`;
  if (isFamily(from) && partOf(to) === "core") {
    return `imports ${to}: a family uses the core through ${coreDoors.join(", ")}, as an outsider would`;
  }
  if (typeOnly || partOf(from) === partOf(to) || floorOf(to) < floorOf(from)) return undefined;
  if (floorOf(to) > floorOf(from)) return `imports ${to}, which is above it: only \`import type\` may go up`;
  return from === "lowlevel.ts" && partOf(to) === "core" ? undefined : `imports ${to}, another part of its own floor`;
}

function outsideProblem(path: string, specifier: string, typeOnly: boolean): string | undefined {
  if (specifier === peers[path]) return undefined;
  if (!specifier.startsWith("node:"))
    return `imports "${specifier}": only relative paths and node: modules, no dependencies`;
  const allowed = nodeModules[path] ?? nodeModules[partOf(path)] ?? [];
  if (typeOnly || allowed === "any" || allowed.includes(specifier)) return undefined;
  return `imports ${specifier}, which the table in tools/layers.ts does not give it`;
}

function listenerProblems(path: string, file: ts.SourceFile): Problem[] {
  if (path === abortListener) return [];
  return [...callsIn(file)]
    .filter(
      (call) => ts.isPropertyAccessExpression(call.expression) && call.expression.name.text === "addEventListener",
    )
    .filter((call) => literalText(call.arguments[0]) === "abort")
    .map((call) => ({ line: lineOf(call), text: `listens to an abort signal: only ${abortListener} does` }));
}

/** `import`, `export … from`, `import()` and `import("…").Type`, in the order of the text. */
function importsOf(file: ts.SourceFile): Import[] {
  const found: Import[] = [];
  visit(file);
  return found;

  function visit(node: ts.Node): void {
    if (ts.isImportDeclaration(node)) {
      add(node, node.moduleSpecifier, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword);
    } else if (ts.isExportDeclaration(node)) {
      add(node, node.moduleSpecifier, node.isTypeOnly);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node, node.arguments[0], false);
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node, node.argument.literal, true);
    }
    ts.forEachChild(node, visit);
  }

  function add(node: ts.Node, target: ts.Node | undefined, typeOnly: boolean): void {
    const specifier = literalText(target);
    if (specifier !== undefined) found.push({ specifier, typeOnly, line: lineOf(node) });
  }
}

function* callsIn(node: ts.Node): Generator<ts.CallExpression> {
  if (ts.isCallExpression(node)) yield node;
  for (const child of node.getChildren()) yield* callsIn(child);
}

/** "sync/mutex.ts" → "sync", "timeouts.ts" → "timeouts" */
function partOf(path: string): string {
  return path.split("/")[0]!.replace(/\.ts$/, "");
}

function floorOf(path: string): number {
  return floors.findIndex((floor) => floor.includes(partOf(path)));
}

function isFamily(path: string): boolean {
  return floorOf(path) > floorOf("timeouts.ts") && !observers.includes(partOf(path)) && path !== "index.ts";
}

if (import.meta.main)
  report(checkLayers(join(root, "packages/tasktree/src")), "layers: every import goes where it may");
