/** Planting a fault in a copy of the package. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runFile } from "../../child.ts";
import type { Fault } from "./fault.ts";

const here = join(import.meta.dirname, "../../..");

/** What became of a planted fault. */
export type Verdict =
  | { readonly caught: true; readonly replay: string; readonly schedules: number; readonly why: string }
  | { readonly caught: false; readonly why: string };

/** Explores the fault's program in a copy of the package that has the fault, in a process of its own. */
export async function verdictOf(fault: Fault): Promise<Verdict> {
  const patched = patch(fault);
  if (typeof patched !== "string") return { caught: false, why: patched.why };
  const copy = mkdtempSync(join(tmpdir(), "tasktree-fault-"));
  try {
    cpSync(join(here, "package.json"), join(copy, "package.json"));
    cpSync(join(here, "src"), join(copy, "src"), { recursive: true, filter: isNoTest });
    cpSync(join(here, "test/proof"), join(copy, "test/proof"), { recursive: true, filter: isNoTest });
    writeFileSync(join(copy, "src", fault.file), patched);
    const { code, stdout, stderr } = await runFile(join(copy, "test/proof/faults/explore-program.ts"), [fault.program]);
    if (code !== 0) return { caught: false, why: `exit code ${code}\n${stdout}${stderr}` };
    return JSON.parse(stdout) as Verdict;
  } finally {
    rmSync(copy, { recursive: true });
  }
}

/** The source with the fault, or why there is none. */
function patch(fault: Fault): string | { readonly why: string } {
  let source = readFileSync(join(here, "src", fault.file), "utf8");
  for (const { find, replace } of fault.also === undefined ? [fault] : [fault, fault.also]) {
    const parts = source.split(find);
    if (parts.length !== 2) return { why: `"${find}" occurs ${parts.length - 1} times in ${fault.file}` };
    source = parts.join(replace);
  }
  return source;
}

function isNoTest(path: string): boolean {
  return !/\.test(-d)?\.ts$/.test(path);
}
