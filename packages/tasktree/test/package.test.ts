/** The package as it is published: packed, installed from the tarball, used from plain JavaScript and TypeScript. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { skipOn } from "./runtime.ts";

const packageFolder = join(import.meta.dirname, "..");
const manifest = JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8")) as {
  exports: Record<string, string | Record<string, string>>;
};
const doors = Object.entries(manifest.exports)
  .filter(([, target]) => typeof target === "object")
  .map(([path]) => `tasktree${path.slice(1)}`);

describe("the packed package", skipOn({ bun: "packs with npm under Node", deno: "packs with npm under Node" }), () => {
  let folder: string;
  let packed: string[];

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "tasktree-packed-"));
    const pack = run(packageFolder, "npm", "pack", "--json", "--silent", "--pack-destination", folder);
    const [{ filename, files }] = JSON.parse(pack.slice(pack.indexOf("["))) as [
      { filename: string; files: { path: string }[] },
    ];
    packed = files.map(({ path }) => path);
    mkdirSync(join(folder, "app"));
    write("package.json", JSON.stringify({ private: true, type: "module" }));
    run(app(), "npm", "install", "--offline", "--no-audit", "--no-fund", "--no-package-lock", join(folder, filename));
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  test("holds no tests, but the licence and every file that its exports name", () => {
    assert.deepEqual(
      packed.filter((path) => /\.test(-d)?\.|^test\//.test(path)),
      [],
    );
    const named = Object.values(manifest.exports).flatMap((target) =>
      typeof target === "string" ? target : Object.values(target),
    );
    for (const path of ["LICENSE", ...named.map((path) => path.slice(2))]) assert.ok(packed.includes(path), path);
  });

  test("depends on nothing", () => {
    const installed = readdirSync(join(app(), "node_modules")).filter((name) => !name.startsWith("."));
    assert.deepEqual(installed, ["tasktree"]);
  });

  test("opens every door to plain JavaScript, also by require()", () => {
    for (const door of doors) {
      write("door.js", `import * as door from "${door}"; console.log(Object.keys(door).length > 0);`);
      write("door.cjs", `console.log(Object.keys(require("${door}")).length > 0);`);
      assert.equal(run(app(), process.execPath, "door.js").trim(), "true", door);
      assert.equal(run(app(), process.execPath, "door.cjs").trim(), "true", door);
    }
  });

  test("has types that a strict consumer compiles without @types/node", () => {
    write("consumer.ts", doors.map((door, index) => `export * as door${index} from "${door}";`).join("\n"));
    const compilerOptions = {
      module: "nodenext",
      target: "es2024",
      lib: ["es2024", "esnext.disposable", "dom"],
      types: [],
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: false,
      noEmit: true,
    };
    write("tsconfig.json", JSON.stringify({ compilerOptions, files: ["consumer.ts"] }));
    run(app(), join(packageFolder, "../../node_modules/.bin/tsc"), "-p", ".");
  });

  test("brings the command `tasktree`", () => {
    write(
      "main.js",
      `import { sleep } from "tasktree";
      export default async function main(args) { await sleep(1); console.log("ran with", ...args); }`,
    );
    assert.equal(run(app(), "npx", "--no", "--", "tasktree", "run", "main.js", "--", "a", "b").trim(), "ran with a b");
  });

  function app(): string {
    return join(folder, "app");
  }

  function write(name: string, text: string): void {
    writeFileSync(join(app(), name), text);
  }
});

/** Standard output of a command that must succeed, with this Node first on the PATH. */
function run(cwd: string, file: string, ...args: string[]): string {
  const PATH = `${dirname(process.execPath)}${delimiter}${process.env["PATH"]}`;
  // NODE_OPTIONS could carry the source condition: what is tested here is the built package.
  const env = { ...process.env, PATH, NODE_OPTIONS: "", NODE_TEST_CONTEXT: undefined };
  const { status, stdout, stderr } = spawnSync(file, args, { cwd, env, encoding: "utf8" });
  assert.equal(status, 0, `${file} ${args.join(" ")}\n${stdout}${stderr}`);
  return stdout;
}
