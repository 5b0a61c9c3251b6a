import { appendFileSync, closeSync, openSync } from "node:fs";
import { formatLink } from "./links.ts";
import type { Page } from "./results.ts";

/**
 * A file with one line of JSON per page.
 *
 * Each line is written at once and whole, before the crawler goes on: whatever stops the program, the file holds exactly
 * the pages that were done.
 */
export class PageFile {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, "w");
  }

  add(page: Page): void {
    appendFileSync(this.#file, `${JSON.stringify(toRecord(page))}\n`);
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}

function toRecord({ url, foundOn, ms, answer }: Page): Record<string, unknown> {
  const { content, redirect, ...rest } = answer;
  return { url, foundOn, ms, ...rest, redirect: redirect && formatLink(redirect), links: content?.links.length };
}
