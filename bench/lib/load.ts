import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Begin } from "./contract.ts";

/** The command that loads a server, from its file in bench/; the port and the number of requests come after it. */
export function loader(file: string): string[] {
  return [process.execPath, fileURLToPath(new URL(`../${file}`, import.meta.url))];
}

/** Loads the server at `port` of this process from another one; how many of `requests` were answered rightly. */
export async function load(command: string[], port: number, requests: number, begin: Begin): Promise<number> {
  const [file, ...flags] = command;
  const child = spawn(file!, [...flags, String(port), String(requests)], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  await lines.next();
  begin();
  child.stdin.write("\n");
  const { value } = await lines.next();
  if (child.exitCode === null) await once(child, "exit");
  return Number(value);
}
