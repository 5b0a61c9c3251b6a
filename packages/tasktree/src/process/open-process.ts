import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";
import { existsSync } from "node:fs";
import { brief, checkOptions, ProcessError } from "../errors.ts";
import { refused } from "../lowlevel.ts";
import { checkGrace, OpenedProcess } from "./opened-process.ts";
import type { Process } from "./process.ts";
import { announce, markVariable, type Watched } from "./watchdog.ts";

/** What stands at a standard stream: a pipe to us, what we have there ourselves, or nothing. */
export type ProcessStdio = "pipe" | "inherit" | "ignore";

export interface OpenProcessOptions {
  /** The folder it runs in; default: ours. */
  readonly cwd?: string | URL;
  /** Its whole environment; default: ours. `{ ...process.env, NAME: "value" }` adds to ours. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Lets `/bin/sh` (on Windows its own) run `command` as a line of shell; there can be no `args` then. Default false. */
  readonly shell?: boolean;
  /** Default "pipe". */
  readonly stdin?: ProcessStdio;
  /** Default "pipe". */
  readonly stdout?: ProcessStdio;
  /** Default "pipe". */
  readonly stderr?: ProcessStdio;
  /** How long it may take to end after TERM, in milliseconds of real time, until KILL follows; default 3,000. */
  readonly grace?: number;
  /**
   * Whether it gets a group of its own, which ends as one; default true. False is for programs that use the terminal: they stay in
   * our group, get Ctrl-C themselves, and what they start is theirs to end.
   */
  readonly group?: boolean;
}

const onWindows = process.platform === "win32";
const defaultGrace = 3000;
const stdios: readonly unknown[] = ["pipe", "inherit", "ignore"];

/**
 * Starts a process. `await using` ends it, with all it has started, when the block is left: TERM, and KILL when its grace is over.
 * Nothing of it outlives this program, however that ends.
 *
 * Its environment also has a variable `TASKTREE_SPAWN`. On Windows there are no groups: the process alone is ended, at once.
 *
 * Cancellation: Checkpoint, nothing lost: if this call is cancelled, nothing was started.
 *
 * @throws {ProcessError} If it cannot be started: there is no such command or folder, it may not be executed.
 * @example
 * ```ts
 * import { openProcess } from "tasktree/process";
 * import assert from "node:assert";
 * await using cat = await openProcess("cat");
 * await cat.stdin.write(new TextEncoder().encode("hello"));
 * await cat.stdin.closeWriting();
 * assert.equal(new TextDecoder().decode(await cat.stdout.read()), "hello");
 * assert.equal((await cat.wait()).exitCode, 0);
 * ```
 */
export async function openProcess(
  command: string,
  args: readonly string[] = [],
  options: OpenProcessOptions = {},
): Promise<Process> {
  checkCommand(command, args, options);
  const refusal = refused();
  if (refusal !== undefined) return await refusal;
  const watched = onWindows ? unwatched : await announced(command);
  const late = refused();
  if (late !== undefined) {
    watched.over();
    return await late;
  }
  try {
    return await start(command, args, options, watched);
  } catch (error) {
    watched.over();
    throw error;
  }
}

const unwatched: Watched = { mark: "", started: () => {}, over: () => {} };

async function announced(command: string): Promise<Watched> {
  try {
    return await announce();
  } catch (error) {
    throw new ProcessError(`Cannot open process '${command}': ${brief(error)}`, { command, cause: error });
  }
}

async function start(
  command: string,
  args: readonly string[],
  options: OpenProcessOptions,
  watched: Watched,
): Promise<Process> {
  const { grace = defaultGrace, group = true } = options;
  const ownGroup = group && !onWindows;
  const child = spawned(command, args, options, { detached: ownGroup, mark: watched.mark });
  if (child.pid === undefined) throw notOpened(command, options, await nextError(child));
  return new OpenedProcess(child, command, grace, ownGroup, watched);
}

function spawned(
  command: string,
  args: readonly string[],
  options: OpenProcessOptions,
  { detached, mark }: { readonly detached: boolean; readonly mark: string },
): ChildProcess {
  const { cwd, env = process.env, shell = false, stdin = "pipe", stdout = "pipe", stderr = "pipe" } = options;
  const settings: SpawnOptions = {
    cwd,
    detached,
    env: { ...env, [markVariable]: mark },
    shell: shell && onWindows,
    stdio: [stdin, stdout, stderr],
    windowsHide: true,
  };
  try {
    return shell && !onWindows ? spawn("/bin/sh", ["-c", command], settings) : spawn(command, args, settings);
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw error;
    throw notOpened(command, options, error);
  }
}

function nextError(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve) => child.once("error", resolve));
}

function notOpened(command: string, { cwd, shell }: OpenProcessOptions, cause: unknown): ProcessError {
  const { code } = cause as NodeJS.ErrnoException;
  let why = brief(cause);
  if (cwd !== undefined && !existsSync(cwd)) why = `its folder ${brief(String(cwd))} does not exist`;
  else if (code === "ENOENT") why = shell === true ? "there is no /bin/sh" : "there is no such command";
  else if (code === "EACCES") why = "it may not be executed";
  return new ProcessError(`Cannot open process '${command}': ${why}`, { command, cause });
}

function checkCommand(command: unknown, args: unknown, options: unknown): void {
  if (!isText(command) || command === "") {
    throw new TypeError(`Cannot open process ${brief(command)}: wanted the name of a command, without NUL`);
  }
  if (!Array.isArray(args) || !args.every(isText)) {
    throw new TypeError(`Cannot open process '${command}' with args ${brief(args)}: wanted strings, without NUL`);
  }
  checkOptions(`open process '${command}'`, options);
  const { shell, grace, stdin, stdout, stderr } = options as OpenProcessOptions;
  if (shell === true && args.length > 0) {
    throw new TypeError(`Cannot open process '${command}' with args in a shell: write them into the command, quoted`);
  }
  if (grace !== undefined) checkGrace(grace);
  for (const [name, value] of Object.entries({ stdin, stdout, stderr })) {
    if (value === undefined || stdios.includes(value)) continue;
    throw new TypeError(
      `Cannot open process '${command}' with ${brief(value)} as ${name}: wanted "pipe", "inherit" or "ignore"`,
    );
  }
}

function isText(value: unknown): value is string {
  return typeof value === "string" && !value.includes("\0");
}
