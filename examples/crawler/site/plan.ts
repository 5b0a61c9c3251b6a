import type { BrokenLink } from "../broken.ts";

/**
 * The broken links built into the demo site: exactly these, and no others, must be found.
 *
 * The pages that hold them are `pages/*.md`; what the addresses do is in `trouble.ts`.
 */
export const plan: readonly BrokenLink[] = [
  { page: "/trouble/", link: "/trouble/stuck", reason: "timeout" },
  { page: "/trouble/", link: "/trouble/drip", reason: "timeout" },
  { page: "/trouble/", link: "/trouble/endless", reason: "too large" },
  { page: "/trouble/", link: "/trouble/huge", reason: "too large" },
  { page: "/trouble/", link: "/trouble/error", reason: "500 Internal Server Error" },
  { page: "/trouble/", link: "/trouble/hang-up", reason: "connection closed" },
  { page: "/trouble/", link: "/trouble/loop/1", reason: "redirect loop" },
  { page: "/trouble/", link: "/trouble/moved-away", reason: "404 Not Found" },
  { page: "/trouble/", link: "http://127.0.0.1:2/", reason: "connection refused" },
  { page: "/trouble/notes", link: "/trouble/no-such-page", reason: "404 Not Found" },
  { page: "/trouble/notes", link: "/trouble/no-such-picture.png", reason: "404 Not Found" },
  { page: "/trouble/notes", link: "/trouble/#no-such-heading", reason: "missing fragment" },
  { page: "/trouble/notes", link: "/trouble/notes#nor-this-one", reason: "missing fragment" },
];

export interface Comparison {
  /** How many of the plan were found. */
  found: number;
  missed: BrokenLink[];
  /** Found and not built in. */
  unplanned: BrokenLink[];
}

/**
 * Compares what a crawl of the site at `origin` found with the plan. The order does not matter. When the crawl was not
 * complete, nothing counts as missed.
 */
export function compareWithPlan(broken: readonly BrokenLink[], origin: string, incomplete = false): Comparison {
  const expected = plan.map(({ page, link, reason }) => ({
    page: new URL(page, origin).href,
    link: new URL(link, origin).href,
    reason,
  }));
  const missed = without(expected, broken);
  return {
    found: expected.length - missed.length,
    missed: incomplete ? [] : missed,
    unplanned: without(broken, expected),
  };
}

function without(links: readonly BrokenLink[], others: readonly BrokenLink[]): BrokenLink[] {
  const keys = new Set(others.map(toKey));
  return links.filter((link) => !keys.has(toKey(link)));
}

function toKey({ page, link, reason }: BrokenLink): string {
  return `${page} ${link} ${reason}`;
}
