/**
 * Keeps etc/tasktree.api.md, the public surface of the package, so that a change of it is seen in a review.
 *
 *   node tools/api.ts            fails and shows the difference if the file is out of date
 *   npm run api                  writes it
 *
 * Per door (an entry of "exports" in package.json): what can be imported from it, sorted by name, as declarations without
 * comments. What an earlier door already showed is only named.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import ts from "typescript";
import { command } from "./command.ts";
import { report, root } from "./source.ts";

const file = join(root, "etc/tasktree.api.md");

/** The surface of a package folder that has a package.json and a tsconfig.build.json. */
export async function surfaceOf(packageFolder: string): Promise<string> {
  const cache = join(root, ".cache");
  mkdirSync(cache, { recursive: true });
  const out = mkdtempSync(join(cache, "api-")); // inside the repository, so that @types/node is found
  try {
    const emit = [
      "--declaration",
      "--emitDeclarationOnly",
      "--stripInternal",
      "--declarationMap",
      "false",
      "--outDir",
      out,
    ];
    const { ok, output } = await command("tsc", ["-p", join(packageFolder, "tsconfig.build.json"), ...emit]);
    if (!ok) throw new Error(`Cannot build the declarations:\n${output}`);
    return describe(doorsOf(packageFolder), out);
  } finally {
    rmSync(out, { recursive: true });
  }
}

interface Door {
  /** As it is imported: "tasktree/lowlevel". */
  readonly name: string;
  /** Its declarations, relative to the output folder. */
  readonly declarations: string;
}

function doorsOf(packageFolder: string): Door[] {
  const { name, exports } = JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8")) as {
    name: string;
    exports: Record<string, string | Record<string, string>>;
  };
  return Object.entries(exports).flatMap(([path, target]) => {
    const source = typeof target === "string" ? undefined : target["@tasktree/source"];
    if (source === undefined) return [];
    return [{ name: name + path.slice(1), declarations: source.replace(/^\.\/src\//, "").replace(/\.ts$/, ".d.ts") }];
  });
}

function describe(doors: readonly Door[], folder: string): string {
  const files = doors.map((door) => join(folder, door.declarations));
  const program = ts.createProgram(files, {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2024,
    types: ["node"],
    noEmit: true,
  });
  const checker = program.getTypeChecker();
  const printer = ts.createPrinter({ removeComments: true });
  const shownBy = new Map<ts.Symbol, string>();

  const sections = doors.map((door, index) => {
    const source = program.getSourceFile(files[index]!);
    const module = source && checker.getSymbolAtLocation(source);
    const names = module ? checker.getExportsOfModule(module).sort((a, b) => (a.name < b.name ? -1 : 1)) : [];
    const entries = names.map((symbol) => entry(door, symbol));
    return `## ${door.name}\n\n\`\`\`ts\n${entries.join("\n\n")}\n\`\`\`\n`;
  });
  return `# The public surface of tasktree\n\nWritten by \`npm run api\`; do not edit.\n\n${sections.join("\n")}`;

  function entry(door: Door, symbol: ts.Symbol): string {
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    const before = shownBy.get(target);
    if (before !== undefined) return `// ${symbol.name}: see ${before}`;
    shownBy.set(target, symbol.name === target.name ? door.name : `${door.name}, ${symbol.name}`);
    const heading = symbol.name === target.name ? [] : [`// exported as ${symbol.name}`];
    return [...heading, ...(target.declarations ?? []).map(print)].join("\n");
  }

  function print(declaration: ts.Declaration): string {
    if (ts.isSourceFile(declaration)) return `// the module ${declaration.fileName.slice(folder.length + 1)}`;
    // a `const` is declared inside a statement, which holds the keyword
    const node = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration;
    return printer.printNode(ts.EmitHint.Unspecified, node, declaration.getSourceFile()).replace(/^export /, "");
  }
}

async function main(write: boolean): Promise<void> {
  const surface = await surfaceOf(join(root, "packages/tasktree"));
  if (write) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, surface);
    return console.log(`api: etc/tasktree.api.md written`);
  }
  const committed = existsSync(file) ? readFileSync(file, "utf8") : "";
  report(committed === surface ? [] : [await difference(surface)], "api: the public surface is the committed one");
}

async function difference(surface: string): Promise<string> {
  const now = ".cache/tasktree.api.md";
  writeFileSync(join(root, now), surface);
  const before = existsSync(file) ? relative(root, file) : "/dev/null";
  const { stdout } = await command("git", ["diff", "--no-index", "--no-prefix", before, now]);
  return `${stdout}\nThe public surface changed. If you meant it, run \`npm run api\` and commit the file`;
}

if (import.meta.main) await main(process.argv.includes("--write"));
