import { maxRedirects } from "./crawl.ts";
import { formatLink, hasAnchor, type Link } from "./links.ts";
import type { Results } from "./results.ts";

/** A link that leads nowhere. */
export interface BrokenLink {
  /** The page that holds the link; "" for the address that the crawl started from. */
  page: string;
  link: string;
  reason: string;
}

/** Judges every link of every page that is done. A link whose target is not done is not judged. */
export function findBrokenLinks({ pages }: Results): BrokenLink[] {
  const broken: BrokenLink[] = [];
  for (const { url, foundOn, answer } of pages.values()) {
    if (foundOn === undefined) check("", { url, fragment: "" });
    for (const link of answer.content?.links ?? []) check(url, link);
  }
  return broken;

  function check(page: string, link: Link): void {
    const reason = whyBroken(link, pages);
    if (reason !== undefined) broken.push({ page, link: formatLink(link), reason });
  }
}

/** Follows the redirects from page to page, as a browser would. */
function whyBroken(link: Link, pages: Results["pages"]): string | undefined {
  const passed = new Set<string>();
  let { url, fragment } = link;
  while (true) {
    const answer = pages.get(url)?.answer;
    if (answer?.redirect === undefined) {
      if (answer?.content === undefined) return answer?.trouble;
      return hasAnchor(answer.content.anchors, fragment) ? undefined : "missing fragment";
    }
    if (passed.has(url)) return "redirect loop";
    if (passed.size === maxRedirects) return "too many redirects";
    passed.add(url);

    url = answer.redirect.url;
    fragment = answer.redirect.fragment || fragment; // a redirect keeps the link's fragment unless it has its own
  }
}
