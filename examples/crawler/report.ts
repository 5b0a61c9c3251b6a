import { findBrokenLinks, type BrokenLink } from "./broken.ts";
import type { Results } from "./results.ts";
import { plan, type Comparison } from "./site/plan.ts";

const slowestShown = 5;

/** What was done, for people. `stopped`: before the end, so that there would have been more. */
export function reportCrawl(results: Results, run: { seconds: number; stopped: boolean }): string {
  const lines = [
    ...summary(results, run.seconds),
    ...(run.stopped ? ["Stopped before the end: this is what was done until then"] : []),
    "",
    ...brokenByPage(findBrokenLinks(results)),
    "",
    ...slowest(results),
  ];
  return `${lines.join("\n")}\n`;
}

/** Whether the trouble that is built into the demo site was found. */
export function reportComparison({ found, missed, unplanned }: Comparison): string {
  const lines = [`${found} of the ${plan.length} broken links built into the demo site were found`];
  if (missed.length > 0) lines.push("Built in, but not found:", ...missed.map(formatBroken));
  if (unplanned.length > 0) lines.push("Found, but not built in:", ...unplanned.map(formatBroken));
  if (missed.length + unplanned.length === 0) lines.push("Nothing is missing and nothing else was found");
  return `${lines.join("\n")}\n`;
}

function* summary({ pages, overLimit, otherHosts }: Results, seconds: number): Iterable<string> {
  const perSecond = (pages.size / seconds).toFixed(1);
  yield `${count(pages.size, "page")} done in ${seconds.toFixed(1)} s (${perSecond} pages per second)`;
  if (overLimit.size > 0) yield `${count(overLimit.size, "address", "addresses")} not asked for: the limit was reached`;
  if (otherHosts.size > 0) yield `${count(otherHosts.size, "address", "addresses")} on other hosts not checked`;
}

function* brokenByPage(broken: BrokenLink[]): Iterable<string> {
  const pages = Map.groupBy(broken, ({ page }) => page);
  if (broken.length === 0) yield "No broken links";
  else yield `${count(broken.length, "broken link")} on ${count(pages.size, "page")}`;
  for (const [page, links] of pages) {
    yield `  ${page || "(where the check started)"}`;
    for (const { reason, link } of links) yield `    ${reason.padEnd(26)} ${link}`;
  }
}

function* slowest({ pages }: Results): Iterable<string> {
  yield "Slowest pages";
  const slow = [...pages.values()].sort((a, b) => b.ms - a.ms).slice(0, slowestShown);
  for (const { ms, url } of slow) yield `  ${String(ms).padStart(6)} ms  ${url}`;
}

function formatBroken({ page, link, reason }: BrokenLink): string {
  return `  ${link} on ${page || "(where the check started)"}: ${reason}`;
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}
