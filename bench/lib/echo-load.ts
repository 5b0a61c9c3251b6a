import type { Begin } from "./contract.ts";
import { load, loader } from "./load.ts";

export const echoLoad: string[] = loader("echo-load.ts");

/** Loads the echo server at `port`, as {@link load}. */
export function loadEcho(port: number, requests: number, begin: Begin): Promise<number> {
  return load(echoLoad, port, requests, begin);
}
