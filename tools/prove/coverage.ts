/** Lines and branches of core, sync, channels and combine that the suite runs: all, but for those listed with a reason. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { command } from "../command.ts";
import { filesIn, root } from "../source.ts";
import { uncovered, type Exception } from "./uncovered.ts";
import { counted, type Finding } from "./finding.ts";

const folders = ["core", "sync", "channels", "combine"];
const timeLimit = 900_000;

/** A line that no test runs, or that has a branch which none takes. */
export interface Gap {
  /** Relative to packages/tasktree/src. */
  readonly file: string;
  readonly line: number;
  readonly kind: "line" | "branch";
}

export async function coverage(): Promise<Finding> {
  const cwd = join(root, "packages/tasktree");
  const { ok, stdout, output } = await command(
    process.execPath,
    [
      "--conditions=@tasktree/source",
      "--test",
      "--test-concurrency=1",
      "--experimental-test-coverage",
      ...folders.map((folder) => `--test-coverage-include=src/${folder}/*.ts`),
      "--test-coverage-exclude=**/*.test.ts",
      "--test-reporter=lcov",
      ...filesIn(cwd, "src/**/*.test.ts", "test/*.test.ts"),
    ],
    { cwd, timeout: timeLimit },
  );
  if (!ok) return { figure: "none: the suite fails", faults: [output.slice(-2000)] };
  const { gaps, lines, branches } = readLcov(stdout);
  const told = gaps.filter((gap) => !isBrackets(gap));
  const isListed = (gap: Gap): boolean => uncovered.some((exception) => isAbout(exception, gap));
  const stale = uncovered.filter((exception) => !gaps.some((gap) => isAbout(exception, gap)));
  return {
    figure: `${share(lines)} of lines, ${share(branches)} of branches; ${counted(uncovered.length, "exception")}`,
    faults: [
      ...told
        .filter((gap) => !isListed(gap))
        .map(({ file, line, kind }) => `${file}:${line}: a ${kind} that no test reaches`),
      ...stale.map(({ file, code }) => `${file}: \`${code}\` is listed in uncovered.ts, and is covered or gone`),
    ],
  };
}

/** By what the line says, which moves less than its number. */
function isAbout({ file, code }: Exception, gap: Gap): boolean {
  return gap.file === file && textOf(gap).includes(code);
}

/** The end of a piece whose other lines are told, or an empty piece: what comes after a loop that has no end. */
function isBrackets(gap: Gap): boolean {
  return /^[\s)}\];,]*$/.test(textOf(gap));
}

function textOf({ file, line }: Gap): string {
  return readFileSync(join(root, "packages/tasktree/src", file), "utf8").split("\n")[line - 1] ?? "";
}

interface Hits {
  readonly found: number;
  readonly hit: number;
}

function share({ found, hit }: Hits): string {
  return `${((100 * hit) / found).toFixed(2)} %`;
}

/** What an lcov report tells of lines and branches. */
export function readLcov(text: string): { gaps: Gap[]; lines: Hits; branches: Hits } {
  const gaps: Gap[] = [];
  const count = { lines: { found: 0, hit: 0 }, branches: { found: 0, hit: 0 } };
  let file = "";
  for (const row of text.split("\n")) {
    const [, tag = "", rest = ""] = /^(SF|DA|BRDA):(.*)$/.exec(row) ?? [];
    if (tag === "SF") file = rest.replace(/^.*?src\//, "");
    if (tag !== "DA" && tag !== "BRDA") continue;
    const fields = rest.split(",");
    const [line, hits] = [Number(fields[0]), Number(fields.at(-1))];
    const counter = tag === "DA" ? count.lines : count.branches;
    counter.found++;
    if (hits > 0) counter.hit++;
    else gaps.push({ file, line, kind: tag === "DA" ? "line" : "branch" });
  }
  return { gaps, ...count };
}
