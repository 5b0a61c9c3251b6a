import { addAbortListener } from "node:events";
import type * as promises from "node:timers/promises";
import { shortest, timerMs, type VirtualTimers } from "./virtual-timers.ts";

type TimersPromises = typeof promises;

interface Options {
  readonly signal?: AbortSignal | undefined;
  readonly ref?: boolean | undefined;
}

/** `setTimeout` of `node:timers/promises`; where it goes wrong it ends as `real` does. */
export function sleepBy<T>(
  timers: VirtualTimers,
  real: TimersPromises["setTimeout"],
  ms: unknown,
  value: T,
  options: Options = {},
): Promise<T> {
  const { signal, ref = true } = options ?? {};
  const wrong = ms !== undefined && typeof ms !== "number";
  if (wrong || (signal !== undefined && !(signal instanceof AbortSignal))) return real(ms as number, value, options);
  if (signal?.aborted === true) return real(shortest, value, options);
  return new Promise((resolve) => {
    const timer = timers.set({ callback: woken, ms: timerMs(ms) });
    if (!ref) timer.unref();
    const listening = signal === undefined ? undefined : addAbortListener(signal, aborted);

    function woken(): void {
      listening?.[Symbol.dispose]();
      resolve(value);
    }

    function aborted(): void {
      timer.close();
      resolve(real(shortest, value, options));
    }
  });
}

/** `setInterval` of `node:timers/promises`: gives `value` once for every time it came, also for those that came while nobody asked. */
export async function* intervalBy<T>(
  timers: VirtualTimers,
  real: TimersPromises["setTimeout"],
  ms: unknown,
  value: T,
  options: Options = {},
): AsyncGenerator<T, void, undefined> {
  const { signal, ref = true } = options ?? {};
  if (signal?.aborted === true) await real(shortest, value, options);
  let come = 0;
  let tell: (() => void) | undefined;
  const timer = timers.set({
    callback: () => {
      come++;
      tell?.();
    },
    ms: timerMs(ms),
    repeats: true,
  });
  if (!ref) timer.unref();
  const listening = signal === undefined ? undefined : addAbortListener(signal, () => tell?.());
  try {
    for (;;) {
      if (come === 0 && signal?.aborted !== true) await new Promise<void>((resolve) => (tell = resolve));
      if (signal?.aborted === true) await real(shortest, value, options);
      for (; come > 0; come--) yield value;
    }
  } finally {
    listening?.[Symbol.dispose]();
    timer.close();
  }
}
