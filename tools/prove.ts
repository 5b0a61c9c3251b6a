/**
 * Shows how reliable tasktree is, in numbers: each command in a process of its own.
 *
 *   npm run prove                            all, in their long form
 *   npm run prove -- cancel leaks            these
 *   npm run prove -- --minutes 30            those that never come to an end share 30 minutes
 *   npm run prove -- --seed 7                other lots
 *   npm run prove -- --short                 the form that `npm test` runs
 *   npm run prove -- --list                  what there is
 */
import { parseArgs } from "node:util";
import { command } from "./command.ts";
import type { Effort, Finding, Proof } from "./prove/finding.ts";
import { stop } from "./source.ts";

interface Entry {
  readonly shows: string;
  /** Goes on as long as there is time. */
  readonly isEndless?: boolean;
  /** Has no short form. */
  readonly isLong?: boolean;
  readonly load: () => Promise<Proof>;
}

/** In this order: the fast ones first. */
export const commands: Readonly<Record<string, Entry>> = {
  sleeps: {
    shows: "sleeps are never early",
    isEndless: true,
    load: async () => (await import("./prove/sleeps.ts")).sleeps,
  },
  starvation: {
    shows: "timers come in time, however busy tasks are",
    isEndless: true,
    load: async () => (await import("./prove/starvation.ts")).starvation,
  },
  scale: {
    shows: "very many tasks, nested scopes and cancelled waiters",
    load: async () => (await import("./prove/scale.ts")).scale,
  },
  leaks: {
    shows: "what has ended is not kept",
    load: async () => (await import("./prove/leaks.ts")).leaks,
  },
  cancel: {
    shows: "programs cancelled at each place leave all they have entered",
    load: async () => (await import("./prove/cancel.ts")).cancel,
  },
  timeout: {
    shows: "programs whose deadline strikes at each place end with TimeoutError",
    load: async () => (await import("./prove/timeout.ts")).timeout,
  },
  fail: {
    shows: "programs that fail at each place lose no error, and double none",
    load: async () => (await import("./prove/fail.ts")).fail,
  },
  determinism: {
    shows: "equal seeds give equal schedules on every runtime",
    load: async () => (await import("./prove/determinism.ts")).determinism,
  },
  arguments: {
    shows: "wrong arguments give a clear error, and never a hang",
    isEndless: true,
    load: async () => (await import("./prove/arguments.ts")).wrongArguments,
  },
  schedules: {
    shows: "what primitives do is explained by their models, in every schedule",
    isEndless: true,
    load: async () => (await import("./prove/schedules.ts")).schedules,
  },
  coverage: {
    shows: "tests reach every line and branch",
    isLong: true,
    load: async () => (await import("./prove/coverage.ts")).coverage,
  },
};

/** A command that takes longer hangs; beside the time that it was given. */
const timeLimit = 20 * 60_000;

/** Runs a command in a process of its own. */
export async function proved(name: string, effort: Effort): Promise<Finding & { readonly ms: number }> {
  const args = ["--conditions=@tasktree/source", "--max-old-space-size=6000", import.meta.filename];
  const { ok, stdout, output, ending, ms } = await command(
    process.execPath,
    [...args, "--child", name, JSON.stringify(effort)],
    { timeout: timeLimit + effort.ms },
  );
  const found = /^FINDING (.*)$/m.exec(stdout)?.[1];
  if (found !== undefined && ok) return { ...(JSON.parse(found) as Finding), ms };
  return { figure: "none", faults: [`it ended with ${ending}\n${output.slice(-4000)}`], ms };
}

async function child(name: string, effort: Effort): Promise<void> {
  const prove = await commands[name]!.load();
  const finding = await prove(effort);
  process.stdout.write(`FINDING ${JSON.stringify(finding)}\n`, () => process.exit(0));
}

async function main(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      minutes: { type: "string" },
      seed: { type: "string", default: "1" },
      short: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      child: { type: "boolean", default: false },
    },
  });
  if (values.child) return await child(positionals[0]!, JSON.parse(positionals[1]!) as Effort);
  if (values.list) {
    for (const [name, { shows }] of Object.entries(commands)) console.log(`${name.padEnd(12)}${shows}`);
    return;
  }
  const [minutes, seed] = [Number(values.minutes ?? 0), Number(values.seed)];
  if (!(minutes >= 0) || !Number.isInteger(seed)) stop("Wanted --minutes and --seed as numbers");
  const unknown = positionals.filter((name) => !(name in commands));
  if (unknown.length > 0) stop(`No command ${unknown.join(", ")}. There are: ${Object.keys(commands).join(", ")}`);
  const names = Object.keys(commands).filter((name) => positionals.length === 0 || positionals.includes(name));
  await proveAll(names, { isShort: values.short, minutes, seed });
}

async function proveAll(
  names: readonly string[],
  { isShort, minutes, seed }: { isShort: boolean; minutes: number; seed: number },
): Promise<void> {
  const endless = names.filter((name) => commands[name]!.isEndless);
  let failed = 0;
  for (const name of names.filter((name) => !isShort || !commands[name]!.isLong)) {
    const ms = commands[name]!.isEndless ? (minutes * 60_000) / endless.length : 0;
    const finding = await proved(name, { isShort, ms, seed });
    const isFine = finding.faults.length === 0;
    console.log(
      `${isFine ? "✔" : "✖"} ${name.padEnd(12)}${(finding.ms / 1000).toFixed(1).padStart(6)} s  ${finding.figure}`,
    );
    for (const fault of finding.faults) console.log(`\n${fault}\n`);
    if (!isFine) failed++;
  }
  console.log(
    failed === 0 ? "prove: nothing wrong was found" : `prove: ${failed} of ${names.length} have found a fault`,
  );
  if (failed > 0) process.exitCode = 1;
}

if (import.meta.main) await main(process.argv.slice(2));
