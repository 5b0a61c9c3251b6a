import { WaitList, type WaitOptions } from "../../lowlevel.ts";

/**
 * Waits for a promise of the platform, which goes on if the wait is cut; who cuts it does without its error. `explained` makes
 * the error that is thrown of the platform's.
 */
export function waitForPlatform(
  promise: Promise<unknown>,
  what: string,
  explained: (cause: unknown) => unknown,
  options: WaitOptions = {},
): Promise<void> {
  const line = new WaitList({ describe: () => what });
  promise.then(
    () => line.wake(),
    (cause: unknown) => line.size > 0 && line.fail(explained(cause)),
  );
  return line.wait(undefined, options);
}

/**
 * Why a source of ours cancels its stream when it is closed. A stream that is both ends of one thing, as a compressor, breaks its
 * writable half with that: then nothing has failed.
 */
export const givenUp: Error = new Error("Nobody reads any more: the source was closed");

/** For what the platform says of something that was torn, or whose error was told already. */
export function ignore(): void {}
