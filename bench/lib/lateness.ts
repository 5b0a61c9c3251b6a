import { setTimeout as sleep } from "node:timers/promises";
import type { Adapter, Scenario } from "./contract.ts";
import { checkResult } from "./program.ts";

const WARM_UP_MS = 500;
const MEASURE_MS = 2000;
const EVERY_MS = 1;

/** How late the event loop comes to what is due, in milliseconds. */
export type Lateness = { median: number; p99: number; max: number };

/**
 * How long something that happens at any moment waits for its turn while the scenario runs again and again: timers, one
 * after the other. One that is late by 500 ms stands for all those that would have come meanwhile, late by 499, 498 …
 */
export async function lateness(scenario: Scenario, adapter: Adapter, n: number): Promise<Lateness> {
  async function runFor(ms: number): Promise<void> {
    for (const end = performance.now() + ms; performance.now() < end;) {
      checkResult(scenario, n, await adapter(n, noop, Object.assign(noop, { recording: false })));
      await sleep(0);
    }
  }
  await runFor(WARM_UP_MS);
  const waits: number[] = [];
  const probe = startProbe(waits);
  await runFor(MEASURE_MS);
  probe.stop();
  return figures(waits);
}

function noop(): void {}

function startProbe(waits: number[]): { stop(): void } {
  let due = performance.now() + EVERY_MS;
  let timer = setTimeout(look, EVERY_MS);
  function look(): void {
    const now = performance.now();
    waits.push(Math.max(now - due, 0));
    for (let late = now - due - EVERY_MS; late > 0; late -= EVERY_MS) waits.push(late);
    due = now + EVERY_MS;
    timer = setTimeout(look, EVERY_MS);
  }
  return { stop: () => clearTimeout(timer) };
}

function figures(waits: number[]): Lateness {
  const sorted = waits.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)]!;
  return { median: at(0.5), p99: at(0.99), max: sorted.at(-1)! };
}
