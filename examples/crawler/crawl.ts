import { Semaphore, withTaskGroup } from "tasktree";
import { parseLink, type Link } from "./links.ts";
import { requestForeign, requestPage } from "./request.ts";
import type { Page, Results } from "./results.ts";

export interface CrawlOptions {
  /** How many addresses are asked for at most. */
  limit: number;
  /** How many requests one host gets at the same time. */
  perHost: number;
  /** Milliseconds that one request may take. */
  timeout: number;
  /** Leave links to other hosts unchecked. */
  sameHost: boolean;
  /** Called with each page as it is done. */
  onPage?: (page: Page) => void;
}

/** A chain of redirects is followed this far, as `fetch` and browsers do. */
export const maxRedirects = 20;

const maxRequests = 32;

/**
 * Visits every page that can be reached from `start` without leaving its origin, and fills `results`.
 *
 * Every address is one task, and a task that finds new addresses spawns a task for each. Nobody counts them: the group
 * is done when the last one is. However the crawl ends, none of them is left when this function returns or throws.
 */
export async function crawl(start: string, options: CrawlOptions, results: Results): Promise<void> {
  const site = new URL(start);
  const requests = new Semaphore(maxRequests);
  const hosts = new Map<string, Semaphore>();
  const seen = new Set<string>();

  await withTaskGroup(async (group) => {
    function find(link: Link, foundOn?: string, redirects = 0): void {
      const { url } = link;
      if (seen.has(url)) return;
      if (options.sameHost && new URL(url).hostname !== site.hostname) {
        results.otherHosts.add(url);
      } else if (seen.size >= options.limit) {
        results.overLimit.add(url);
      } else {
        seen.add(url);
        results.found = seen.size;
        group.spawn(() => visit(url, foundOn, redirects), { name: url });
      }
    }

    async function visit(url: string, foundOn: string | undefined, redirects: number): Promise<void> {
      const page = await request(url, foundOn);
      results.pages.set(url, page);
      options.onPage?.(page);

      const { content, redirect } = page.answer;
      for (const link of content?.links ?? []) find(link, url);
      if (redirect !== undefined && redirects < maxRedirects) find(redirect, url, redirects + 1);
    }

    find(parseLink(start, start)!);
  });

  async function request(url: string, foundOn: string | undefined): Promise<Page> {
    const { host, origin } = new URL(url);
    const perHost = hosts.get(host) ?? new Semaphore(options.perHost, { name: host });
    hosts.set(host, perHost);
    // First the host's permit: a slow host must not hold requests that others could use.
    using _host = await perHost.acquire();
    using _request = await requests.acquire();

    const ask = origin === site.origin ? requestPage : requestForeign;
    results.running++;
    const started = performance.now();
    try {
      const answer = await ask(url, options.timeout);
      return { url, foundOn, ms: Math.round(performance.now() - started), answer };
    } finally {
      results.running--;
    }
  }
}
