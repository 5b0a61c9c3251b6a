/**
 * Cookies, as RFC 6265 has them; of its successor (draft-ietf-httpbis-rfc6265bis) the prefixes of names, and that what is secure is
 * left alone by what is not. There is no list of public suffixes here: a site may set
 * cookies for all of "co.uk", as far as this is concerned, so don't take what is stored for more than a server's own word.
 */
import { isAddress } from "./options.ts";
import { parseSetCookie, type SetCookie } from "./undici.ts";

/** How many are kept; the oldest go first. */
const most = 3000;
const mostOfDomain = 50;
const longest = 4096;

interface Cookie {
  readonly name: string;
  readonly value: string;
  readonly domain: string;
  readonly hostOnly: boolean;
  readonly path: string;
  readonly secure: boolean;
  /** Wall-clock time. */
  readonly expires: number;
}

export class CookieJar {
  /** By domain, path and name, the oldest first. */
  readonly #cookies = new Map<string, Cookie>();

  /** What `url` has answered with. */
  keep(url: URL, headers: Headers): void {
    for (const text of headers.getSetCookie()) {
      const parsed = text.length > longest ? null : parseSetCookie(text);
      const cookie = parsed === null ? undefined : accepted(url, parsed);
      if (cookie !== undefined && !this.#isGuarded(url, cookie)) this.#put(cookie);
    }
  }

  /** The value of the `cookie` header for `url`; undefined if there are none. */
  headerFor(url: URL): string | undefined {
    const now = Date.now();
    const found: Cookie[] = [];
    for (const [key, cookie] of this.#cookies) {
      if (cookie.expires <= now) this.#cookies.delete(key);
      else if (isFor(cookie, url)) found.push(cookie);
    }
    if (found.length === 0) return undefined;
    // Those of longer paths first, older before newer: sorting keeps the order of equals.
    found.sort((a, b) => b.path.length - a.path.length);
    return found.map(({ name, value }) => (name === "" ? value : `${name}=${value}`)).join("; ");
  }

  /** Whether it would replace, or stand before, a secure one (rfc6265bis, section 5.7, "leave secure cookies alone"). */
  #isGuarded(url: URL, cookie: Cookie): boolean {
    if (cookie.secure || url.protocol === "https:") return false;
    const now = Date.now();
    return [...this.#cookies.values()].some(
      ({ name, domain, path, secure, expires }) =>
        secure &&
        expires > now &&
        name === cookie.name &&
        (isWithin(domain, cookie.domain) || isWithin(cookie.domain, domain)) &&
        isBelow(cookie.path, path),
    );
  }

  #put(cookie: Cookie): void {
    const key = `${cookie.domain};${cookie.path};${cookie.name}`;
    if (cookie.expires <= Date.now()) {
      this.#cookies.delete(key);
      return;
    }
    this.#cookies.set(key, cookie);
    const ofDomain = [...this.#cookies].filter(([, { domain }]) => domain === cookie.domain);
    if (ofDomain.length > mostOfDomain) this.#cookies.delete(ofDomain[0]![0]);
    if (this.#cookies.size > most) this.#cookies.delete(this.#cookies.keys().next().value!);
  }
}

/** RFC 6265, section 5.3; undefined if it is to be passed over. */
function accepted(url: URL, set: SetCookie): Cookie | undefined {
  // Without a name the value is all that is sent, and must not pass for a name and a value.
  if (set.name === "" && (set.value === "" || /=|^__(?:secure|host)-/i.test(set.value))) return undefined;
  const host = url.hostname;
  const secure = set.secure === true;
  const domain = (set.domain ?? "").replace(/^\./, "").toLowerCase();
  const hostOnly = domain === "" || domain === host;
  if (!hostOnly && (!domain.includes(".") || !isWithin(host, domain))) return undefined;
  if (secure && url.protocol !== "https:") return undefined;
  const path = set.path?.startsWith("/") === true ? set.path : defaultPath(url.pathname);
  if (/^__secure-/i.test(set.name) && !secure) return undefined;
  if (/^__host-/i.test(set.name) && !(secure && path === "/" && set.domain === undefined)) return undefined;
  return {
    name: set.name,
    value: set.value,
    domain: domain === "" ? host : domain,
    hostOnly: domain === "" || isAddress(host),
    path,
    secure,
    expires: expiryOf(set),
  };
}

function expiryOf({ maxAge, expires }: SetCookie): number {
  if (maxAge !== undefined) return maxAge <= 0 ? -Infinity : Date.now() + maxAge * 1000;
  const time = expires === undefined ? Infinity : Number(expires);
  return Number.isNaN(time) ? Infinity : time;
}

function isFor(cookie: Cookie, url: URL): boolean {
  if (cookie.secure && url.protocol !== "https:") return false;
  if (cookie.hostOnly ? cookie.domain !== url.hostname : !isWithin(url.hostname, cookie.domain)) return false;
  return isBelow(url.pathname, cookie.path);
}

function isBelow(path: string, of: string): boolean {
  if (!path.startsWith(of)) return false;
  return path.length === of.length || of.endsWith("/") || path[of.length] === "/";
}

function isWithin(host: string, domain: string): boolean {
  return host === domain || (host.endsWith(`.${domain}`) && !isAddress(host));
}

function defaultPath(pathname: string): string {
  const end = pathname.lastIndexOf("/");
  return end <= 0 ? "/" : pathname.slice(0, end);
}
