import assert from "node:assert/strict";
import { test } from "node:test";
import { asProgram } from "./programs.ts";

function transformed(code: string): string {
  return asProgram(code, 10);
}

test("asProgram() notes what is entered and left, and keeps the lines", () => {
  const code = "try {\n  a();\n} finally {\n  b();\n}";
  const text = transformed(code);
  assert.match(
    text,
    /try \{ __stage\.enter\("line 10"\);\n {2}a\(\);\n\} finally \{ __stage\.leave\("line 10"\);\n {2}b\(\);/,
  );
  assert.equal(text.split("\n").length, code.split("\n").length + 2);
});

test("asProgram() is told when the block of a `using` is left", () => {
  assert.match(
    transformed("await using a = b();"),
    /using __block0 = __stage\.within\("line 10"\); await using a = b\(\);/,
  );
  assert.match(transformed("for (using a of b) {\n  c();\n}"), /\(using a of b\) \{using __block5 = .*\n {2}c\(\);/);
  assert.throws(() => transformed("for (using a of b) c();"), /wanted a block/);
});

test("asProgram() can fail at each await, and in each function that waits", () => {
  assert.match(transformed("await a;"), /await \(__stage\.mayFail\("line 10"\), a\);/);
  assert.match(transformed("for await (const a of b) c();"), /of \(__stage\.mayFail\("line 10"\), b\)\)/);
  const jobs = 'import { sleep } from "tasktree";\nf(() => sleep(1), () => other(1));';
  assert.match(transformed(jobs), /f\(\(\) => \(__stage\.mayFail\("line 11"\), sleep\(1\)\), \(\) => other\(1\)\);/);
});

test("asProgram() notes what is caught", () => {
  assert.match(transformed("try { a(); } catch { b(); }"), /catch \(__error\) \{ __stage\.note\(__error\); b\(\); \}/);
  assert.match(transformed("try { a(); } catch (e) { b(); }"), /catch \(e\) \{ __stage\.note\(e\); b\(\); \}/);
  assert.match(transformed("a.catch(() => 1);"), /a\.catch\(__stage\.noting\(\(\) => 1\)\);/);
});

test("asProgram() has imports first, and `run` and assertions from the stage", () => {
  const text = transformed(
    'import { run, type Task } from "tasktree";\nimport assert from "node:assert";\nassert.ok(run);',
  );
  const [head = "", ...rest] = text.split("\n");
  assert.match(head, /import \{ type Task \} from "tasktree"; const run = __stage\.run; const \{ assert \} = __stage;/);
  assert.deepEqual(rest.slice(0, 2), ["", "assert.ok(run);"]);
});
