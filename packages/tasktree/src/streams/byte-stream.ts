/**
 * What carries bytes: a source of them, a sink for them, and a stream that is both, the end of a connection. One interface for
 * what lives in memory, on a simulated network, in a socket, in a pipe or under TLS. What a stream promises is checked by one suite
 * for all of them, `test/stream-conformance.ts`.
 *
 * The end of a stream is a value, `undefined`, where a channel's is an error: whoever reads meets the end sooner or later, no
 * chunk is ever undefined (an item may be), and the compiler sees to it that the end is looked at. Road not taken: an empty
 * array, as Trio does it. It is true in a condition, so that a loop that forgets the end would spin.
 */

/** What a source has given, and who waits. */
export interface ByteSourceStatistics {
  /** How many bytes `read` has given. */
  readonly bytesRead: number;
  /** How many bytes have come, and can be read without waiting. */
  readonly buffered: number;
  /** Whether somebody waits to read. */
  readonly reading: boolean;
}

/** What a sink has taken, and who waits. */
export interface ByteSinkStatistics {
  /** How many bytes were taken over from `write`. */
  readonly bytesWritten: number;
  /** Whether somebody waits to write. */
  readonly writing: boolean;
}

/** What a stream has seen, and who waits. */
export interface ByteStreamStatistics extends ByteSourceStatistics, ByteSinkStatistics {}

/**
 * Where bytes come from, in the order in which the other end wrote them, and in whatever pieces.
 *
 * Of two that read at once the second gets a `BusyError`.
 */
export interface ByteSource extends AsyncDisposable {
  /** Whether this end was closed, by `close()` or `abort()`. */
  readonly isClosed: boolean;

  /**
   * What has come, at least one byte, in an array that is the caller's; waits while there is nothing. `undefined` when the other
   * end has said that nothing more comes, and everything was read; so also at every later call.
   *
   * Cancellation: Checkpoint, nothing lost: if this call is cancelled, what comes is there for the next one. Not new work:
   * cleanup after a cancellation may read the answer to its farewell.
   *
   * @param max At most so many bytes: a whole number from 1; default 65,536.
   * @throws {ClosedError} If this end was closed before or during the call.
   * @throws {BrokenError} If the connection was reset or lost; what was not read by then is gone.
   * @throws {BusyError} If somebody else waits to read.
   * @throws {RangeError} If `max` is not a whole number from 1, or Infinity.
   */
  read(max?: number): Promise<Uint8Array | undefined>;

  /**
   * Gives this end up. What came and was not read is dropped; the other end's writes reject with `BrokenError`. Whoever waits at
   * this end gets a `ClosedError`. Once is enough.
   *
   * Cancellation: Not a checkpoint on entry: it always begins; only the cut-off cuts its wait.
   */
  close(): Promise<void>;

  /**
   * Tears it: what was not read is dropped. Whoever waits at this end gets a `ClosedError`. After `close()` it does nothing. Not a
   * checkpoint.
   *
   * @param reason Why: the cause of the errors at this end.
   */
  abort(reason?: unknown): void;

  /**
   * Reads until the end. Leaving the loop early does not close the stream.
   *
   * Cancellation: Each step is a checkpoint, nothing lost, as `read()`.
   */
  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined>;

  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void>;

  statistics(): ByteSourceStatistics;
}

/**
 * Where bytes go to.
 *
 * Of two that write at once the second gets a `BusyError`.
 */
export interface ByteSink extends AsyncDisposable {
  /** Whether this end was closed, by `close()` or `abort()`. */
  readonly isClosed: boolean;

  /** How many bytes were taken over from `write` so far: they go to the other end if the connection holds. */
  readonly bytesWritten: number;

  /**
   * Writes all of `bytes`; waits while there is no room for them. Leave them unchanged until it has resolved. That it has
   * resolved says that they are on their way, not that they arrived.
   *
   * Cancellation: Checkpoint, effects possible: cut on entry, it has written nothing. If it is cancelled while it waits, some
   * of the bytes, from the first on, have been taken over: `bytesWritten` tells how many. The next write comes right behind
   * them, so after a message that was cut short there is often nothing to do but `abort()`.
   *
   * @throws {ClosedError} If this end, or its writing, was closed before or during the call.
   * @throws {BrokenError} If the connection was reset or lost, or the other end is closed and will not read.
   * @throws {BusyError} If somebody else waits to write.
   * @throws {TypeError} If `bytes` are not a `Uint8Array`.
   */
  write(bytes: Uint8Array): Promise<void>;

  /**
   * Says that nothing more will be written: the other end reads what is on its way, then the end. Once is enough.
   *
   * Cancellation: Checkpoint, nothing lost: if this call is cancelled on entry, writing goes on.
   *
   * @throws {ClosedError} If this end is closed.
   * @throws {BrokenError} If the connection was reset or lost.
   * @throws {BusyError} If somebody waits to write.
   */
  closeWriting(): Promise<void>;

  /**
   * Gives this end up. The other end reads what was written, then the end. Whoever waits at this end gets a `ClosedError`. Once is
   * enough.
   *
   * Cancellation: Not a checkpoint on entry: it always begins; only the cut-off cuts its wait.
   */
  close(): Promise<void>;

  /**
   * Tears it: at the other end, reads reject with `BrokenError`, and what was not read there by then is gone; so nobody takes what
   * was cut short for the whole. Whoever waits at this end gets a `ClosedError`. After `close()` it does nothing. Not a checkpoint.
   *
   * @param reason Why: the cause of the errors at this end.
   */
  abort(reason?: unknown): void;

  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void>;

  statistics(): ByteSinkStatistics;
}

/**
 * One end of a connection: a source and a sink in one. One task may read while another writes.
 *
 * `closeWriting()` leaves reading as it is; `close()` and `abort()` end both directions.
 */
export interface ByteStream extends ByteSource, ByteSink {
  /**
   * Gives this end up. The other end reads what was written, then the end; its writes reject with `BrokenError`. What came and
   * was not read is dropped. Whoever waits at this end gets a `ClosedError`. Once is enough.
   *
   * Cancellation: Not a checkpoint on entry: it always begins; only the cut-off cuts its wait.
   */
  close(): Promise<void>;

  /**
   * Tears the connection: at the other end, reads and writes reject with `BrokenError`, and what was not read there by then is
   * gone; so nobody takes what was cut short for the whole. Whoever waits at this end gets a `ClosedError`. After `close()` it
   * does nothing. Not a checkpoint.
   *
   * @param reason Why: the cause of the errors at this end.
   */
  abort(reason?: unknown): void;

  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void>;

  statistics(): ByteStreamStatistics;
}
