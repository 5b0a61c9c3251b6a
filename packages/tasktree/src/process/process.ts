import type { ByteSink, ByteSource } from "../streams/index.ts";

/** The name of a signal, as "SIGTERM". */
export type SignalName = `SIG${string}`;

/** How a process has ended: with an exit code or by a signal. */
export interface ProcessExit {
  /** Undefined if a signal has ended it. */
  readonly exitCode: number | undefined;
  /** The signal that has ended it. */
  readonly signal: SignalName | undefined;
}

export interface ProcessStatistics {
  /** Whether it, or something in its group, has not ended. */
  readonly running: boolean;
  /** How many wait for its end. */
  readonly waiting: number;
}

/**
 * A running process, made by `openProcess`. It is the first of a group, to which its descendants belong, but for those that have
 * left it (`setsid`). Signals go to the whole group; when it has ended itself, what is left of its group is ended too.
 */
export interface Process extends AsyncDisposable {
  /** What was to be run. */
  readonly command: string;
  readonly pid: number;
  /** What it reads. @throws {InvalidStateError} If that is no pipe. */
  readonly stdin: ByteSink;
  /** What it prints. Read it: who prints into a full pipe waits. @throws {InvalidStateError} If that is no pipe. */
  readonly stdout: ByteSource;
  /** What it prints to standard error. Read it too. @throws {InvalidStateError} If that is no pipe. */
  readonly stderr: ByteSource;
  /** How it has ended; undefined as long as it, or something in its group, has not. */
  readonly exit: ProcessExit | undefined;

  /**
   * Waits until it has ended, and the rest of its group too. What it has printed can still be read then.
   *
   * Cancellation: Checkpoint, nothing lost: if this call is cancelled, the process goes on.
   */
  wait(): Promise<ProcessExit>;

  /**
   * Ends it: TERM to its group, and KILL when `grace` is over and something in it has not ended; waits until all have. Whoever
   * calls it again can only make the grace shorter.
   *
   * Cancellation: Not a checkpoint on entry: it always begins; the cut-off sends KILL at once, and it throws when all have ended.
   *
   * @param options.grace In milliseconds, of real time; default: the `grace` it was opened with; 0: KILL at once.
   * @throws {RangeError} If `grace` is not milliseconds from 0.
   * @throws {ProcessError} If it cannot be signalled: it runs as another user.
   */
  terminate(options?: { readonly grace?: number }): Promise<ProcessExit>;

  /**
   * Sends a signal to its group, and waits for nothing; if all have ended, nothing happens. To end it there is `terminate()`.
   * Not a checkpoint.
   *
   * @throws {TypeError} If there is no such signal.
   * @throws {ProcessError} If it cannot be signalled: it runs as another user.
   */
  sendSignal(signal: SignalName): void;

  /**
   * Gives it up: closes its standard input, ends it as `terminate()` does, and closes its pipes. What it prints meanwhile is
   * dropped. Once is enough.
   *
   * Cancellation: as `terminate()`.
   */
  close(): Promise<void>;

  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void>;

  statistics(): ProcessStatistics;
}
