import { sleep } from "tasktree";
import type { Results } from "./results.ts";

/** Rewrites one line on the terminal until it is cancelled; where stderr is no terminal, writes a line every five seconds. */
export async function showProgress(results: Results): Promise<void> {
  const terminal = process.stderr.isTTY;
  try {
    while (true) {
      await sleep(terminal ? 100 : 5_000);
      process.stderr.write(terminal ? `\r\x1b[K${progressLine(results)}` : `${progressLine(results)}\n`);
    }
  } finally {
    if (terminal) process.stderr.write("\r\x1b[K");
  }
}

export function progressLine({ pages, running, found }: Results): string {
  const waiting = found - pages.size - running;
  return `pages: ${pages.size} done, ${running} running, ${waiting} waiting`;
}
