/** `tasktree run` as people call it: each test starts the command in a process of its own. */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { program, runFile, startFile, type ChildOptions, type Ended } from "../../test/child.ts";

const command = join(import.meta.dirname, "main.ts");
const cli = program("cli.ts");

function tasktree(...args: string[]): Promise<Ended> {
  return runFile(command, args);
}

/** Starts the command, sends a signal once it has printed "ready", and waits for its end. */
async function signalled(signal: NodeJS.Signals, ...args: string[]): Promise<Ended> {
  const child = startFile(command, args);
  await child.printed("ready");
  child.kill(signal);
  return await child.ended;
}

describe("what it runs", () => {
  let folder: string;

  before(() => (folder = mkdtempSync(join(tmpdir(), "tasktree-cli-"))));
  after(() => rmSync(folder, { recursive: true, force: true }));

  function write(name: string, text: string): string {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  }

  test("tasktree run runs a TypeScript file as the task 'main', with the arguments after --", async () => {
    const { code, stdout, stderr } = await tasktree("run", cli, "--", "echo", "a b", "--grace", "-x", "--", "");
    assert.deepEqual(JSON.parse(stdout), { args: ["a b", "--grace", "-x", "--", ""], task: "main" });
    assert.deepEqual([code, stderr], [0, ""]);
  });

  test("tasktree run gives no arguments where there are none, and takes options before and after the file", async () => {
    const file = write("count.js", "export default (args) => console.log(args.length);");
    for (const args of [[file], [file, "--"], ["--debug", file, "--grace", "10"]]) {
      assert.equal((await tasktree("run", ...args)).stdout, "0\n");
    }
  });

  test("tasktree run runs JavaScript which does not import tasktree, by a relative path with odd characters", async () => {
    mkdirSync(join(folder, "a b#c%20"));
    write("a b#c%20/main.mjs", `export default async ([name]) => { console.log("hello", name); }`);
    const options: ChildOptions = { cwd: folder };
    const ended = await runFile(command, ["run", "a b#c%20/main.mjs", "--", "ada"], options);
    assert.deepEqual(ended, { code: 0, stdout: "hello ada\n", stderr: "" });
  });

  test("tasktree run uses the copy of tasktree that the program itself imports", async () => {
    const copy = join(folder, "copy");
    cpSync(join(import.meta.dirname, "../../package.json"), join(copy, "package.json"));
    cpSync(join(import.meta.dirname, ".."), join(copy, "src"), { recursive: true });
    mkdirSync(join(folder, "node_modules"));
    symlinkSync(copy, join(folder, "node_modules/tasktree"));
    const text = `import { currentTask } from "tasktree"; export default () => console.log(currentTask()?.name);`;
    assert.deepEqual(await tasktree("run", write("own.mjs", text)), { code: 0, stdout: "main\n", stderr: "" });
  });

  test("R2c tasktree run prints an error that a file throws while it loads, and exits with 1", async () => {
    const { code, stderr } = await tasktree("run", write("broken.mjs", `throw new Error("while loading");`));
    assert.equal(code, 1);
    assert.match(stderr, /rror: while loading/);
  });

  test("R2c a file without a function as its default export is wrong usage", async () => {
    for (const text of ["export const main = () => 1;", "export default 5;"]) {
      const { code, stdout, stderr } = await tasktree("run", write("no-main.mjs", text));
      assert.deepEqual([code, stdout], [2, ""]);
      assert.match(stderr, /no-main\.mjs.*default export is not a function/);
    }
  });
});

describe("exit codes", () => {
  test("R2c a whole number that main returns is the exit code, and nothing else is", async () => {
    for (const [value, code] of [
      ["3", 3],
      ["0", 0],
      ["1.5", 0],
      ['"3"', 0],
      ["[3]", 0],
      ["null", 0],
    ] as const) {
      assert.deepEqual(await tasktree("run", cli, "--", "return", value), { code, stdout: "", stderr: "" }, value);
    }
  });

  test("R2c the program's own exit code stands, but never says 0 for a failure", async () => {
    assert.equal((await tasktree("run", cli, "--", "exitCode", "5")).code, 5);
    assert.equal((await tasktree("run", cli, "--", "exitCode", "0", "throw")).code, 1);
    assert.equal((await tasktree("run", cli, "--", "exitCode", "0", "4")).code, 4);
  });

  test("R2c K4c a failure is printed once, with its cause and what was suppressed; the exit code is 1", async () => {
    const { code, stdout, stderr } = await tasktree("run", cli, "--", "fail");
    assert.deepEqual([code, stdout], [1, ""]);
    for (const message of ["the first", "the cause", "the second"]) {
      assert.equal(stderr.match(new RegExp(`rror: ${message}`, "g"))?.length, 1, `${message} in ${stderr}`);
    }
  });

  test("R2c a failure that is no error is printed too", async () => {
    const { code, stderr } = await tasktree("run", cli, "--", "fail with no error");
    assert.equal(code, 1);
    assert.match(stderr, /a string/);
  });

  test("R2c R3a R3b a deadlock is reported once, finally blocks run, and the exit code is 70", async () => {
    const { code, stdout, stderr } = await tasktree("run", program("leaked-permit.ts"));
    assert.equal(code, 70);
    assert.equal(stdout, "query got deadlock\nquery cleaned up\n");
    assert.equal(stderr.match(/Deadlock/g)?.length, 1);
    assert.match(stderr, /query waits for semaphore 'database' .*held by task 'leaky'$/m);
    assert.doesNotMatch(stderr, /leaked-permit\.ts/);
  });

  test("R3b R4 with --debug the report also names the lines", async () => {
    const { code, stderr } = await tasktree("run", "--debug", program("leaked-permit.ts"));
    assert.equal(code, 70);
    assert.match(stderr, /query waits for .*leaked-permit\.ts:\d+.*spawned .*leaked-permit\.ts:\d+/);
  });

  test("R2a a signal ends the program with 128+n when it has cleaned up, and nothing is printed", async () => {
    const ended = await signalled("SIGINT", "run", cli, "--", "wait");
    assert.deepEqual(ended, { code: 130, stdout: "ready\ncleaned\n", stderr: "" });
    assert.equal((await signalled("SIGTERM", "run", cli, "--", "wait")).code, 143);
  });

  test("R2a with --drain the tree may finish before it is cancelled; the exit code is the signal's all the same", async () => {
    const ended = await signalled("SIGTERM", "run", cli, "--drain", "60000", "--", "drain");
    assert.deepEqual(ended, { code: 143, stdout: "ready\ndrained\n", stderr: "" });
    const cut = await signalled("SIGTERM", "run", cli, "--drain=10", "--", "wait");
    assert.deepEqual(cut, { code: 143, stdout: "ready\ncleaned\n", stderr: "" });
  });

  test("R2b with --grace what is alive at its end is printed and given up", async () => {
    const ended = await signalled("SIGINT", "run", program("stubborn.ts"), "--grace", "100");
    assert.equal(ended.code, 130);
    assert.match(ended.stderr, /gave up what is still alive/);
    assert.match(ended.stderr, /deaf/);
  });
});

describe("wrong usage", () => {
  for (const [what, args, message] of [
    ["no command", [], /Wanted a command/],
    ["an unknown command", ["walk", cli], /Unknown command "walk"/],
    ["no file", ["run"], /Wanted a file/],
    ["no file but arguments", ["run", "--", "a"], /Wanted a file/],
    ["a file that is not there", ["run", "no-such-file.ts"], /no-such-file\.ts: there is no such file/],
    ["two files", ["run", cli, cli], /2 files; arguments for the program come after --/],
    ["an unknown option", ["run", cli, "--fast"], /--fast/],
    ["an option without its value", ["run", cli, "--grace"], /--grace/],
    ["a grace that is no number", ["run", cli, "--grace", "long"], /Cannot use "long" for --grace/],
    ["a grace that is negative", ["run", cli, "--grace=-1"], /Cannot use "-1" for --grace/],
    ["a drain that is empty", ["run", cli, "--drain="], /Cannot use "" for --drain/],
    ["a value for an option that takes none", ["run", cli, "--debug=yes"], /--debug/],
  ] as const) {
    test(`R2c ${what} is wrong usage: exit code 2, and how to use it is printed`, async () => {
      const { code, stdout, stderr } = await tasktree(...args);
      assert.deepEqual([code, stdout], [2, ""]);
      assert.match(stderr, message);
      assert.match(stderr, /Usage: tasktree run FILE/);
      assert.doesNotMatch(stderr, /^ +at /m);
    });
  }

  test("R2c a folder is not a file to run", async () => {
    const { code, stderr } = await tasktree("run", import.meta.dirname);
    assert.equal(code, 2);
    assert.match(stderr, /Usage:/);
  });

  test("tasktree --help prints how to use it", async () => {
    for (const flag of ["--help", "-h", "help"]) {
      const { code, stdout, stderr } = await tasktree(flag);
      assert.deepEqual([code, stderr], [0, ""]);
      assert.match(stdout, /^Usage: tasktree run FILE/);
    }
  });
});
