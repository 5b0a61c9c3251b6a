import { brief, BrokenError, checkOptions, LimitExceededError, ProcessError } from "../errors.ts";
import { isCount } from "../internal/count.ts";
import { withTaskGroup } from "../lowlevel.ts";
import type { ByteSource } from "../streams/index.ts";
import { openProcess, type OpenProcessOptions } from "./open-process.ts";
import type { Process, ProcessExit } from "./process.ts";

export interface RunProcessOptions extends OpenProcessOptions {
  /** Default: "ignore", or "pipe" where there is `input`. */
  readonly stdin?: "pipe" | "inherit" | "ignore";
  /** What it reads: text, bytes, or what comes from a source, until its end. The source is not closed. */
  readonly input?: string | Uint8Array | ByteSource;
  /** Whether what it prints is given as text (UTF-8 without a byte order mark, default) or as bytes. */
  readonly output?: "text" | "bytes";
  /** So many bytes it may print to each of standard output and standard error: a whole number; default 16 MiB. */
  readonly maxOutput?: number;
  /** Whether another exit code than 0, or its end by a signal, is an error; default true. */
  readonly check?: boolean;
}

/** How a process has ended, and what it has printed; empty where that was no pipe. */
export interface ProcessResult<T extends string | Uint8Array = string> extends ProcessExit {
  readonly stdout: T;
  readonly stderr: T;
}

const defaultMax = 16 * 1024 * 1024;

/**
 * Runs a process to its end, and gives what it has printed. If it is cancelled, the process is ended with all it has started.
 *
 * It waits for the end of what is printed too: something that has left the group (`setsid`) with its standard output open keeps it
 * waiting.
 *
 * Cancellation: Checkpoint, effects possible: cut on entry, nothing was started; later, the process may have done something.
 *
 * @throws {ProcessError} If it cannot be started; if it ends with another exit code than 0, unless `check` is false.
 * @throws {LimitExceededError} If it prints more than `maxOutput`; the process is ended.
 * @example
 * ```ts
 * import { runProcess } from "tasktree/process";
 * import assert from "node:assert";
 * const { stdout } = await runProcess("sort", ["-r"], { input: "a\nb\n" });
 * assert.equal(stdout, "b\na\n");
 * ```
 */
export function runProcess(
  command: string,
  args: readonly string[] | undefined,
  options: RunProcessOptions & { readonly output: "bytes" },
): Promise<ProcessResult<Uint8Array>>;
export function runProcess(
  command: string,
  args?: readonly string[],
  options?: RunProcessOptions & { readonly output?: "text" },
): Promise<ProcessResult>;
export async function runProcess(
  command: string,
  args: readonly string[] = [],
  options: RunProcessOptions = {},
): Promise<ProcessResult<string | Uint8Array>> {
  checkRunOptions(command, options);
  const { input, stdin = input === undefined ? "ignore" : "pipe", check = true } = options;
  await using child = await openProcess(command, args, { ...options, stdin });
  const result = await collected(child, options, stdin === "pipe");
  if (check && result.exitCode !== 0) throw failed(command, result);
  return result;
}

function collected(
  child: Process,
  options: RunProcessOptions,
  feeds: boolean,
): Promise<ProcessResult<string | Uint8Array>> {
  const { maxOutput = defaultMax, output = "text", stdout = "pipe", stderr = "pipe", input = "" } = options;
  return withTaskGroup(
    async (group) => {
      // A service: who has ended without reading everything must not be waited for.
      if (feeds) group.spawn(() => feed(child, input), { name: "stdin", service: true });
      const printed = (["stdout", "stderr"] as const).map((name) => {
        const piped = { stdout, stderr }[name] === "pipe";
        return group.spawn(() => (piped ? collect(child, name, maxOutput) : nothing), { name });
      });
      const exit = await child.wait();
      const [out, err] = [await printed[0]!, await printed[1]!];
      const give = output === "text" ? asText : asBytes;
      return { ...exit, stdout: give(out), stderr: give(err) };
    },
    { name: `process '${child.command}'` },
  );
}

const nothing = new Uint8Array(0);

async function collect(child: Process, name: "stdout" | "stderr", limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of child[name]) {
    size += chunk.length;
    if (size > limit) {
      throw new LimitExceededError(
        `Cannot collect the ${name} of process '${child.command}': it is longer than ${limit} bytes`,
        { limit },
      );
    }
    chunks.push(chunk);
  }
  return joined(chunks, size);
}

function joined(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const all = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

/** Who reads no further, or has ended, need not have read everything. */
async function feed({ stdin }: Process, input: string | Uint8Array | ByteSource): Promise<void> {
  const chunks = typeof input === "string" ? [new TextEncoder().encode(input)] : isBytes(input) ? [input] : input;
  for await (const chunk of chunks) if (!(await isRead(stdin.write(chunk)))) return;
  await isRead(stdin.closeWriting());
}

async function isRead(written: Promise<void>): Promise<boolean> {
  try {
    await written;
    return true;
  } catch (error) {
    if (error instanceof BrokenError) return false;
    throw error;
  }
}

function asText(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function asBytes(bytes: Uint8Array): Uint8Array {
  return bytes;
}

function failed(command: string, result: ProcessResult<string | Uint8Array>): ProcessError {
  const { exitCode, signal, stderr } = result;
  const how = signal === undefined ? `exit code ${exitCode}` : `signal ${signal}`;
  const text = typeof stderr === "string" ? stderr : asText(stderr.subarray(-1000));
  const last = text.trimEnd().split("\n").at(-1)!.slice(0, 200);
  return new ProcessError(`Process '${command}' ended with ${how}${last === "" ? "" : `: ${last}`}`, {
    command,
    ...result,
  });
}

function checkRunOptions(command: unknown, options: unknown): void {
  checkOptions(`run process ${brief(command)}`, options);
  const { input, stdin, output, maxOutput } = options as RunProcessOptions;
  if (input !== undefined && typeof input !== "string" && !isBytes(input) && !isSource(input)) {
    throw new TypeError(
      `Cannot run process ${brief(command)} with input ${brief(input)}: wanted text, bytes or a source`,
    );
  }
  if (input !== undefined && stdin !== undefined && stdin !== "pipe") {
    throw new TypeError(
      `Cannot run process ${brief(command)} with input and ${brief(stdin)} as stdin: wanted one of both`,
    );
  }
  if (output !== undefined && output !== "text" && output !== "bytes") {
    throw new TypeError(
      `Cannot give the output of process ${brief(command)} as ${brief(output)}: wanted "text" or "bytes"`,
    );
  }
  if (maxOutput !== undefined && !isCount(maxOutput, 0)) {
    throw new RangeError(
      `Cannot use ${brief(maxOutput)} as maxOutput of process ${brief(command)}: wanted a whole number from 0, or Infinity`,
    );
  }
}

function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array;
}

function isSource(value: unknown): value is ByteSource {
  return typeof (value as Partial<ByteSource> | null)?.read === "function";
}
