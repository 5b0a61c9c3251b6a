import { withTaskGroup } from "tasktree";
import { findBrokenLinks } from "./broken.ts";
import { crawl } from "./crawl.ts";
import { PageFile } from "./ndjson.ts";
import { help, parseOptions, UsageError, type Options } from "./options.ts";
import { showProgress } from "./progress.ts";
import { reportComparison, reportCrawl } from "./report.ts";
import { Results } from "./results.ts";
import { compareWithPlan } from "./site/plan.ts";
import { serveSite } from "./site/serve.ts";

/** Run by `tasktree run`, which passes the arguments, takes the exit code, and cancels everything on Ctrl-C. */
export default async function main(args: string[]): Promise<number> {
  try {
    const options = parseOptions(args);
    if (!options.help) return await checkSite(options);
    console.log(help);
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\nTry --help`);
    return 2;
  }
}

async function checkSite(options: Options): Promise<number> {
  const results = new Results();
  const startTime = performance.now();
  let stopped = true;

  using file = options.out === undefined ? undefined : openFile(options.out);
  let start: string;
  try {
    start = await withTaskGroup(async (group) => {
      // Services end when the rest of the group has ended: the progress line goes, the demo site closes.
      group.spawn(() => showProgress(results), { service: true, name: "progress" });
      const start = options.url ?? (await group.start(serveSite, { service: true, name: "demo site" }));
      await crawl(start, { ...options, onPage: (page) => file?.add(page) }, results);
      return start;
    });
    stopped = false;
  } finally {
    // Also when the crawl was cancelled or failed: tell what is done.
    console.log(reportCrawl(results, { seconds: (performance.now() - startTime) / 1000, stopped }));
  }

  const broken = findBrokenLinks(results);
  if (options.url !== undefined) return broken.length === 0 ? 0 : 1;
  const comparison = compareWithPlan(broken, start, results.overLimit.size > 0);
  console.log(reportComparison(comparison));
  return comparison.missed.length + comparison.unplanned.length === 0 ? 0 : 1;
}

function openFile(path: string): PageFile {
  try {
    return new PageFile(path);
  } catch (error) {
    throw new UsageError(`Cannot write to ${path}: ${String(error)}`, { cause: error });
  }
}
