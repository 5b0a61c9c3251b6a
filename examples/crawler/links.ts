import { Parser } from "htmlparser2";

/** An address as a page names it: what to ask the server for, and which place on that page. */
export interface Link {
  /** Absolute and without `#fragment`, so that two links to one page are one address. */
  url: string;
  /** The part after `#`, or "" when there is none. */
  fragment: string;
}

/** What a check needs to know of an HTML page. */
export interface PageContent {
  links: Link[];
  /** Every place on the page that a fragment can name. */
  anchors: Set<string>;
}

/** Resolves what stands in an `href`; `undefined` for what is no web page (`mailto:`, `javascript:` …). */
export function parseLink(href: string, base: string): Link | undefined {
  const address = URL.parse(href, base);
  if (address?.protocol !== "http:" && address?.protocol !== "https:") return undefined;
  const fragment = address.hash.slice(1);
  address.hash = "";
  return { url: address.href, fragment };
}

/** The link as it would be typed into a browser. */
export function formatLink({ url, fragment }: Link): string {
  return fragment === "" ? url : `${url}#${fragment}`;
}

/** Whether a page with these anchors has the place that the fragment names; "" and "top" are the page itself. */
export function hasAnchor(anchors: Set<string>, fragment: string): boolean {
  const [name = ""] = fragment.split(":~:"); // a text fragment ("#:~:text=word") only highlights
  if (name === "" || name.toLowerCase() === "top") return true;
  return anchors.has(name) || anchors.has(decodePercent(name));
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a lone "%" is an ordinary character here
  }
}

/** Finds the links and anchors of one HTML page while it arrives. */
export class PageReader {
  readonly #address: string;
  readonly #parser: Parser;
  readonly #hrefs = new Set<string>();
  readonly #anchors = new Set<string>();
  #base: string | undefined;

  constructor(address: string) {
    this.#address = address;
    this.#parser = new Parser({ onopentag: (tag, attributes) => this.#onTag(tag, attributes) });
  }

  write(html: string): void {
    this.#parser.write(html);
  }

  end(): PageContent {
    this.#parser.end();
    const base = URL.parse(this.#base ?? "", this.#address)?.href ?? this.#address;
    const links = new Map<string, Link>();
    for (const href of this.#hrefs) {
      const link = parseLink(href, base);
      if (link !== undefined) links.set(formatLink(link), link);
    }
    return { links: [...links.values()], anchors: this.#anchors };
  }

  #onTag(tag: string, attributes: Record<string, string>): void {
    if (attributes["id"] !== undefined) this.#anchors.add(attributes["id"]);
    if (tag === "a" && attributes["name"] !== undefined) this.#anchors.add(attributes["name"]);
    if (tag === "base") this.#base ??= attributes["href"];
    const href = hrefOf(tag, attributes);
    if (href !== undefined) this.#hrefs.add(href);
  }
}

function hrefOf(tag: string, attributes: Record<string, string>): string | undefined {
  switch (tag) {
    case "a":
    case "area":
      return attributes["href"];
    case "link":
      // These two name a host to connect to, not a file on it.
      return /preconnect|dns-prefetch/i.test(attributes["rel"] ?? "") ? undefined : attributes["href"];
    case "img":
    case "script":
    case "iframe":
    case "audio":
    case "video":
    case "source":
    case "embed":
      return attributes["src"];
    default:
      return undefined;
  }
}
