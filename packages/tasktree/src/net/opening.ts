import type { EventEmitter } from "node:events";
import { WaitList } from "../lowlevel.ts";

export interface Opening {
  /** What is waited for, for reports. */
  readonly what: string;
  /** What tells that it has succeeded. */
  readonly event: string;
  /** Gives up what was begun. */
  readonly undo: () => void;
  /** The error to throw for the system's. */
  readonly why: (error: unknown) => Error;
}

/** Waits until `emitter` has opened, or has failed to. What comes of it later is heard, and ignored here. */
export function opened(emitter: EventEmitter, { what, event, undo, why }: Opening): Promise<void> {
  const line = new WaitList({ describe: () => what, left: undo });
  emitter.once(event, () => line.wake());
  emitter.on("error", (error: unknown) => line.size > 0 && line.fail(why(error)));
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
