/** The package as it is published: packed, installed from the tarball, used from plain JavaScript and TypeScript. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { runtime, skipOn } from "./runtime.ts";

const packageFolder = join(import.meta.dirname, "..");
const manifest = JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8")) as {
  exports: Record<string, string | Record<string, string>>;
};
const doors = Object.entries(manifest.exports)
  .filter(([, target]) => typeof target === "object")
  .map(([path]) => `tasktree${path.slice(1)}`);

/** Their types are made of the runners', or are those of Node's own functions. */
const ofOthers = [
  "tasktree/node-test",
  "tasktree/vitest",
  "tasktree/ambient",
  "tasktree/fs",
  "tasktree/net",
  "tasktree/streams/node",
  "tasktree/http",
  "tasktree/http/client",
  "tasktree/http/express",
  "tasktree/http/fastify",
  "tasktree/http/hono",
  "tasktree/http/node",
  "tasktree/http/ws",
];

/** They need a package that is not installed here. */
const ofPeers = ["tasktree/vitest", "tasktree/http/client"];

const here = process.platform === "linux" && process.arch === "x64";
const onLinux = { skip: here ? false : "tools/runtimes pins the other runtimes for Linux x64" };

const noVitest = "vitest could not be installed: npm ci --prefix packages/tasktree/test/projects/vitest";
const modules = runtime === "node" ? await vitestModules() : undefined;

describe("the packed package", skipOn({ bun: "packs with npm under Node", deno: "packs with npm under Node" }), () => {
  let folder: string;
  let tarball: string;
  let packed: string[];

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "tasktree-packed-"));
    const pack = run(packageFolder, "npm", "pack", "--json", "--silent", "--pack-destination", folder);
    const [{ filename, files }] = JSON.parse(pack.slice(pack.indexOf("["))) as [
      { filename: string; files: { path: string }[] },
    ];
    packed = files.map(({ path }) => path);
    tarball = join(folder, filename);
    install("app");
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
    for (const door of doors.filter((door) => !ofPeers.includes(door))) {
      write("door.js", `import * as door from "${door}"; console.log(Object.keys(door).length > 0);`);
      write("door.cjs", `console.log(Object.keys(require("${door}")).length > 0);`);
      assert.equal(run(app(), process.execPath, "door.js").trim(), "true", door);
      assert.equal(run(app(), process.execPath, "door.cjs").trim(), "true", door);
    }
  });

  for (const name of ["node24", "bun", "deno"] as const) {
    test(`opens every door on ${name}`, onLinux, async () => {
      const { toRun } = await import("../../../tools/runtimes.ts");
      const [file, args] = await toRun(name);
      const own = doors.filter((door) => !ofPeers.includes(door) && door !== "tasktree/ambient/register"); // it refuses some
      write("doors.js", `${own.map((door) => `import "${door}";`).join("\n")}\nconsole.log("open");`);
      const flags = args.filter((arg) => !arg.startsWith("--conditions"));
      assert.equal(run(app(), file, ...flags, "doors.js"), "open\n");
    });
  }

  test("opens tasktree/http/client where undici is installed", () => {
    install("undici-app");
    symlinkSync(join(packageFolder, "../../node_modules/undici"), join(folder, "undici-app/node_modules/undici"));
    writeFileSync(
      join(folder, "undici-app/door.js"),
      `import { HttpClient } from "tasktree/http/client"; console.log(HttpClient.name);`,
    );
    assert.equal(run(join(folder, "undici-app"), process.execPath, "door.js"), "HttpClient\n");
  });

  test("is two files for who imports the everyday door", () => {
    assert.equal(filesOf(join(app(), "node_modules/tasktree/dist/index.js")).size, 2);
  });

  test("holds each module once, but for those of the command and of the watchdog's thread, which hold no state", () => {
    const dist = join(app(), "node_modules/tasktree/dist");
    const sources = globSync("**/*.js.map", { cwd: dist }).flatMap((path) => {
      const map = JSON.parse(readFileSync(join(dist, path), "utf8")) as { sources: string[] };
      return map.sources.map((source) => resolve(dist, dirname(path), source).slice(dirname(dist).length + 1));
    });
    assert.ok(sources.includes("src/core/current.ts"), sources.join("\n"));
    assert.deepEqual(sources.filter((source, index) => sources.indexOf(source) < index).sort(), [
      "src/inspector/stall.ts",
      "src/internal/own-folder.ts",
    ]);
    for (const source of sources) assert.ok(packed.includes(source), `${source}, which a source map names`);
  });

  test("refuses to load where another copy is loaded", () => {
    cpSync(join(app(), "node_modules/tasktree"), join(app(), "second"), { recursive: true });
    write(
      "copies.js",
      `import "tasktree";
      await import("./second/dist/flow/index.js").catch((error) => console.log(error.message));`,
    );
    assert.match(
      run(app(), process.execPath, "copies.js"),
      /^Cannot load a second copy of tasktree from .*\/second\/dist\/.*: the first is at .*\/node_modules\/tasktree\/dist\//,
    );
  });

  test("has classes, and functions in the place of the platform's, by the names that the source gives them", () => {
    const text = `
      const names = {};
      for (const door of ${JSON.stringify(doors.filter((door) => !ofPeers.includes(door)))}) {
        for (const [key, value] of Object.entries(await import(door))) {
          const isClass = typeof value === "function" && /^class\\b/.test(Function.prototype.toString.call(value));
          if (isClass || (door === "tasktree/ambient" && typeof value === "function")) names[door + " " + key] = value.name;
        }
      }
      const { runVirtual } = await import("tasktree/testing");
      await runVirtual(() => {
        for (const key of ["setTimeout", "setInterval", "setImmediate", "Date"]) names["platform " + key] = globalThis[key].name;
      }, { platform: true });
      console.log(JSON.stringify(names));`;
    write("names.js", text);
    const built = JSON.parse(run(app(), process.execPath, "names.js")) as Record<string, string>;
    const condition = "--conditions=@tasktree/source";
    const written = run(packageFolder, process.execPath, condition, "--input-type=module", "--eval", text);
    assert.equal(built["tasktree TimeoutError"], "TimeoutError");
    assert.equal(built["platform setTimeout"], "setTimeout");
    assert.deepEqual(built, JSON.parse(written));
  });

  test("goes into a bundle with what it needs, and without the rest", async () => {
    const { build } = await import("esbuild");
    for (const format of ["esm", "cjs"] as const) {
      const { outputFiles } = await build({
        stdin: { contents: `export { sleep } from "tasktree";`, resolveDir: app() },
        bundle: true,
        platform: "node",
        format,
        write: false,
        logLevel: "error",
      });
      const code = outputFiles[0]!.text;
      for (const name of ["Mutex", "Channel", "HttpError"]) assert.doesNotMatch(code, new RegExp(`class ${name}\\b`));
      write(`bundle.${format}.${format === "esm" ? "mjs" : "cjs"}`, code);
    }
    write("bundled.js", `import { sleep } from "./bundle.esm.mjs"; console.log(await sleep(1), "slept");`);
    assert.equal(run(app(), process.execPath, "bundled.js"), "undefined slept\n");
    const required = `require("./bundle.cjs.cjs").sleep(1).then((value) => console.log(value, "slept"))`;
    assert.equal(run(app(), process.execPath, "--eval", required), "undefined slept\n");
  });

  test("connects by WebSocket without ws, and says how it is installed where it is needed", () => {
    write(
      "ws.js",
      `import { webSocketUpgrade } from "tasktree/http/ws";
      try { webSocketUpgrade(() => {}); } catch (error) { console.log(error.code, error.message); }`,
    );
    const told = "TASKTREE_INVALID_STATE Cannot serve WebSocket: ws is not installed (npm install ws)";
    assert.equal(run(app(), process.execPath, "ws.js").trim(), told);
  });

  test("has types that a strict consumer compiles without @types/node", () => {
    const own = doors.filter((door) => !ofOthers.includes(door));
    write("consumer.ts", own.map((door, index) => `export * as door${index} from "${door}";`).join("\n"));
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

  describe("what `tasktree run --debug` tells of a program", () => {
    before(() => {
      write(
        "waits.js",
        `import { Semaphore, withTaskGroup } from "tasktree";
        export default async function main() {
          const semaphore = new Semaphore(0);
          await withTaskGroup((group) => {
            group.spawn(async function waiting() {
              await semaphore.acquire();
            });
          });
        }`,
      );
      write(
        "blocks.js",
        `export default async function main() {
          const end = performance.now() + 800;
          while (performance.now() < end);
        }`,
      );
    });

    for (const flags of [[], ["--enable-source-maps"]]) {
      test(`names lines of the program and none of tasktree's${flags.map((flag) => `, with ${flag}`).join("")}`, () => {
        const { stderr } = debug("waits.js", ...flags);
        assert.equal(
          stderr.replaceAll(/file:\S*\/(?=waits\.js:)/g, ""),
          "Deadlock: nothing can wake what still waits\n" +
            "main waits for its children\n" +
            "  waiting-1 waits for semaphore (0 free, 0 held) (at waiting (waits.js:6:31)) (spawned waits.js:5:19)\n",
        );
      });

      test(`names the code that blocks it${flags.map((flag) => `, with ${flag}`).join("")}`, () => {
        const { stderr } = debug("blocks.js", ...flags);
        assert.match(stderr, /blocked for \d+ ms by task 'main'\n +at main \(.*blocks\.js:3:\d+\)\n(?! )/);
      });
    }

    for (const name of ["node24", "bun", "deno"] as const) {
      test(`names lines of the program on ${name} too`, onLinux, async () => {
        const { toRun } = await import("../../../tools/runtimes.ts");
        const [file, args] = await toRun(name);
        const flags = args.filter((arg) => !arg.startsWith("--conditions"));
        const { stderr } = spawnSync(file, [...flags, command(), "run", "--debug", "waits.js"], options());
        assert.match(stderr, /at waiting \(\S*waits\.js:6:\d+\)\) \(spawned .*\/waits\.js:5:\d+/);
      });
    }

    function command(): string {
      return join(app(), "node_modules/tasktree/dist/cli/main.js");
    }

    function options() {
      return { cwd: app(), env: plain(), encoding: "utf8", timeout: 60_000 } as const;
    }

    function debug(program: string, ...flags: string[]) {
      return spawnSync(process.execPath, [...flags, command(), "run", "--debug", program], options());
    }
  });

  test("runs a test of node:test through tasktree/node-test", () => {
    write(
      "hour.test.js",
      `import { sleep } from "tasktree";
      import { test } from "tasktree/node-test";
      test("an hour", { virtual: true }, () => sleep(3_600_000));
      test("a leak", { todo: true }, () => void setTimeout(() => {}, 50));`,
    );
    const output = run(app(), process.execPath, "--test", "--test-reporter=spec", "hour.test.js");
    assert.match(output, /✔ an hour \(.*\n[✖⚠] a leak \(.* # TODO/);
    assert.match(output, /setTimeout of 50 ms/);
  });

  describe("in a project with vitest", { skip: modules === undefined && noVitest }, () => {
    const project = join(packageFolder, "test/projects/vitest");

    before(() => {
      install("vitest-app");
      cpSync(modules!, join(folder, "vitest-app/node_modules"), { recursive: true, verbatimSymlinks: true });
      for (const name of ["runners.spec.ts", "types.ts"]) cpSync(join(project, name), join(folder, "vitest-app", name));
    });

    test("runs tests of vitest through tasktree/vitest", () => {
      const { failures, output } = vitest();
      assert.deepEqual(
        [...failures.keys()].sort(),
        ["differs", "fails twice", "is stuck", "leaves a group", "suite counts", "times out"],
        output,
      );
      assert.match(failures.get("differs")!, /expected \{ a: 1, b: 2 \} to deeply equal/);
      assert.match(failures.get("leaves a group")!, /'main' ended before 'main\/forgotten'/);
      assert.match(failures.get("fails twice")!, /the first failure[^]*the second failure/);
      assert.match(failures.get("times out")!, /timed out in 200ms/);
      assert.match(failures.get("is stuck")!, /timed out in 200ms[^]*Gave up task 'main\/deaf'/);
      const cleanedUp = output.indexOf("cleaned up after the time-out");
      assert.ok(cleanedUp > 0 && cleanedUp < output.indexOf("the next test begins"), output);
      assert.match(output, / 6 passed \| 1 expected fail \| 2 skipped \| 1 todo /);
      assert.match(failures.get("suite counts")!, /TASKTREE_REPLAY='suite > counts@1'/);
    });

    test("replays a schedule of a vitest test", () => {
      const { failures } = vitest({ TASKTREE_REPLAY: "suite > counts@1" }, "-t", "suite");
      assert.deepEqual([...failures.keys()], ["suite counts"]);
      assert.match(failures.get("suite counts")!, / replayed\n/);
    });

    test("has types that fit those of vitest", () => {
      const compilerOptions = {
        module: "nodenext",
        target: "es2024",
        lib: ["es2024", "esnext.disposable", "dom"],
        types: ["node"],
        typeRoots: [join(packageFolder, "../../node_modules/@types")],
        strict: true,
        exactOptionalPropertyTypes: true,
        skipLibCheck: true, // vitest's own need packages that are not there
        noEmit: true,
      };
      const cwd = join(folder, "vitest-app");
      writeFileSync(join(cwd, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
      run(cwd, join(packageFolder, "../../node_modules/.bin/tsc"), "-p", ".");
    });

    /** What vitest reports of runners.spec.ts: the messages of each test that failed, and what it printed. */
    function vitest(env: Record<string, string> = {}, ...args: string[]): Vitest {
      const cwd = join(folder, "vitest-app");
      const reporters = ["--reporter=default", "--reporter=json", "--outputFile=report.json"];
      const command = [join(cwd, "node_modules/vitest/vitest.mjs"), "run", ...reporters, ...args];
      const ended = spawnSync(process.execPath, command, { cwd, env: plain(env), encoding: "utf8", timeout: 60_000 });
      const { testResults } = JSON.parse(readFileSync(join(cwd, "report.json"), "utf8")) as {
        testResults: { assertionResults: { fullName: string; status: string; failureMessages: string[] }[] }[];
      };
      const failed = testResults.flatMap((file) => file.assertionResults).filter(({ status }) => status === "failed");
      const failures = new Map(failed.map(({ fullName, failureMessages }) => [fullName, failureMessages.join("\n")]));
      return { failures, output: ended.stdout + ended.stderr };
    }
  });

  /** Installs the tarball in an empty folder. */
  function install(name: string): void {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, "package.json"), JSON.stringify({ private: true, type: "module" }));
    run(join(folder, name), "npm", "install", "--offline", "--no-audit", "--no-fund", "--no-package-lock", tarball);
  }

  function app(): string {
    return join(folder, "app");
  }

  function write(name: string, text: string): void {
    writeFileSync(join(app(), name), text);
  }
});

/** Installed where the project is, once; where that cannot be, its tests are skipped, but not in CI. */
async function vitestModules(): Promise<string | undefined> {
  const { installed } = await import("../../../tools/command.ts");
  try {
    return await installed("packages/tasktree/test/projects/vitest");
  } catch (error) {
    if (process.env["CI"] === "true") throw error;
    console.error(error);
    return undefined;
  }
}

interface Vitest {
  readonly failures: ReadonlyMap<string, string>;
  readonly output: string;
}

/** This process's environment with this Node first on the PATH, and nothing that says how this suite runs. */
function plain(env: Record<string, string> = {}): NodeJS.ProcessEnv {
  const PATH = `${dirname(process.execPath)}${delimiter}${process.env["PATH"]}`;
  // NODE_OPTIONS could carry the source condition: what is tested here is the built package.
  return { ...process.env, PATH, NO_COLOR: "1", NODE_OPTIONS: "", NODE_TEST_CONTEXT: undefined, ...env };
}

/** A file of the package, and all that it imports of it. */
function filesOf(file: string, found: Set<string> = new Set()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  for (const [, path] of readFileSync(file, "utf8").matchAll(/^(?:\} from|import) "(\..*)";$/gm))
    filesOf(resolve(dirname(file), path!), found);
  return found;
}

/** Standard output of a command that must succeed. */
function run(cwd: string, file: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(file, args, { cwd, env: plain(), encoding: "utf8" });
  assert.equal(status, 0, `${file} ${args.join(" ")}\n${stdout}${stderr}`);
  return stdout;
}
