/** @throws {TypeError} If the environment names a proxy by what is no URL of one. */
export function checkProxies(what: string): void {
  for (const name of ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"]) {
    const value = process.env[name] ?? "";
    if (value === "" || isProxyUrl(value)) continue;
    // Not shown: it may have a password in it.
    throw new TypeError(`Cannot ${what} with the environment's ${name}: wanted a URL like http://host:port`);
  }
}

function isProxyUrl(value: string): boolean {
  const url = URL.parse(value);
  return url !== null && url.hostname !== "" && ["http:", "https:", "socks:", "socks5:"].includes(url.protocol);
}
