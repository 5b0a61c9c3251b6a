import type { Link, PageContent } from "./links.ts";

/** One address that was asked for, and what came of it. */
export interface Page {
  url: string;
  /** The page on which the crawler first met this address; `undefined` for the address it started from. */
  foundOn: string | undefined;
  /** How long the answer took, without the time spent waiting for a turn. */
  ms: number;
  answer: Answer;
}

/** What a server had to say about one address. */
export interface Answer {
  status?: number;
  type?: string;
  bytes?: number;
  /** Where a redirect points to. */
  redirect?: Link;
  /** Why a link to this address is broken; absent when it is fine. */
  trouble?: string;
  /** Only of HTML pages that belong to the site. */
  content?: PageContent;
}

/** What a crawl has done so far. It is filled while the crawl runs and stays readable however the crawl ends. */
export class Results {
  /** The pages that are done, in the order in which they were. */
  readonly pages: Map<string, Page> = new Map();
  /** Addresses found, done or not. */
  found = 0;
  /** Requests under way. */
  running = 0;
  /** Addresses left out because of `--limit`. */
  readonly overLimit: Set<string> = new Set();
  /** Addresses left out because of `--same-host`. */
  readonly otherHosts: Set<string> = new Set();
}
