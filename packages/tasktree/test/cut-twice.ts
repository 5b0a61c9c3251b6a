import { now, sleepForever } from "../src/index.ts";
import { rejection } from "./rejection.ts";

/** Waits until cut, then again: the first error, and the time of the second cut. */
export async function cutTwice(): Promise<{ error: unknown; at: number; again: unknown; cutoff: number }> {
  const error = await rejection(sleepForever());
  const at = now();
  const again = await rejection(sleepForever());
  return { error, at, again, cutoff: now() };
}
