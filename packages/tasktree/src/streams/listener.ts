/** Who waits for connections, and how many wait for him. */
export interface ListenerStatistics {
  /** Connections that nobody has accepted yet. */
  readonly backlog: number;
  /** How many wait in `accept`, or for a step of a loop. */
  readonly accepting: number;
}

/**
 * Where connections come in. Who accepts first is served first.
 *
 * Iterating gives connection after connection. It ends when the listener is closed, and also when the scope around the loop
 * drains (`scope.drain()`, Ctrl-C): a server finishes what it has, and takes no more.
 */
export interface Listener<S> extends AsyncDisposable {
  /** Whether it was closed. */
  readonly isClosed: boolean;

  /**
   * The next connection, which is the caller's to close.
   *
   * Cancellation: Checkpoint, nothing lost: if this call is cancelled, the connection is there for the next one. New work: in
   * cleanup after a cancellation it throws at every call.
   *
   * @throws {ClosedError} If the listener was closed before or during the call.
   * @throws {BrokenError} If it can accept no more, for a reason that is not on this side.
   */
  accept(): Promise<S>;

  /**
   * Accepts no more. Whoever waits in `accept` gets a `ClosedError`, loops end, connections that nobody has accepted are reset;
   * the others go on. Once is enough.
   *
   * Cancellation: Not a checkpoint on entry: it always begins; only the cut-off cuts its wait.
   */
  close(): Promise<void>;

  /**
   * Connection after connection.
   *
   * Cancellation: Each step is a checkpoint and intake, nothing lost.
   */
  [Symbol.asyncIterator](): AsyncIterator<S, undefined>;

  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void>;

  statistics(): ListenerStatistics;
}
