import type { EventEmitter } from "node:events";
import { WaitList } from "../lowlevel.ts";

export interface Opening {
  /** What is waited for, for reports. */
  readonly what: string;
  /** What tells that it has succeeded. */
  readonly event: string;
  /** What tells that it has failed; default "error". */
  readonly failure?: string;
  /** Whether somebody else hears what comes of it later. Default: it is heard, and ignored here. */
  readonly letsGo?: boolean;
  /** Gives up what was begun. */
  readonly undo: () => void;
  /** The error to throw for the system's. */
  readonly why: (error: unknown) => Error;
}

/** Waits until `emitter` has opened, or has failed to. */
export function opened(emitter: EventEmitter, opening: Opening): Promise<void> {
  const { what, event, failure = "error", letsGo = false, undo, why } = opening;
  const line = new WaitList({ describe: () => what, left: undo });
  const failed = (error: unknown): void => {
    settled();
    if (line.size > 0) line.fail(why(error));
  };
  const settled = (): void => void (letsGo && emitter.off(failure, failed));
  emitter.once(event, () => {
    settled();
    line.wake();
  });
  emitter.on(failure, failed);
  emitter.once("close", () => line.size > 0 && line.fail(why(new Error("it was closed meanwhile"))));
  return line.wait();
}

/** What the system says of an error, also of one that stands for many. */
export function reasonOf(error: unknown): string {
  const { errors, message } = error as { errors?: readonly Error[]; message?: string };
  return errors === undefined || errors.length === 0
    ? (message ?? String(error))
    : errors.map((each) => each.message).join("; ");
}
