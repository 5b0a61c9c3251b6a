/** Cancels the crawler of examples/ at each await it passes while it checks its demo site, over real connections. */
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { run, withCancelScope, type Scope } from "tasktree";
import { withLeakCheck } from "tasktree/testing";
import { filesIn, isTest, root } from "../source.ts";
import type { Effort } from "./finding.ts";
import { asModule } from "./programs.ts";
import * as stage from "./stage.ts";
import type { Swept } from "./sweep.ts";

const source = join(root, "examples/crawler");
const copy = join(root, ".cache/prove/crawler");
/** Few pages, and the one that never answers is not waited for long. */
const args = ["--limit", "12", "--timeout", "200"];
/** In the short form, one place of so many. */
const stride = { short: 10, long: 1 };
/** How long a cancelled run may go on, in milliseconds. */
const longest = 10_000;

type Main = (args: string[]) => Promise<number>;

export async function cancelCrawler({ isShort }: Effort): Promise<Swept> {
  const main = await load();
  const step = stride[isShort ? "short" : "long"];
  const faults: string[] = [];
  let places = 0;
  // Real connections: how many places there are differs from run to run.
  for (let place = 1; ; place += step) {
    const { cancelled, fault } = await cancelAt(main, place);
    if (fault !== undefined) faults.push(`the crawler, cancelled at its await number ${place}: ${fault}`);
    if (!cancelled) return { places, faults };
    places++;
  }
}

async function load(): Promise<Main> {
  rmSync(copy, { recursive: true, force: true });
  cpSync(source, copy, { recursive: true, filter: (path) => !path.includes("node_modules") });
  for (const file of filesIn(source, "**/*.ts").filter((file) => !isTest(file))) {
    writeFileSync(join(copy, file), asModule(readFileSync(join(source, file), "utf8"), file));
  }
  const module = (await import(pathToFileURL(join(copy, "main.ts")).href)) as { default: Main };
  return module.default;
}

async function cancelAt(main: Main, place: number): Promise<{ cancelled: boolean; fault?: string }> {
  let scope: Scope | undefined;
  let [left, cancelled, ended] = [place, false, 0];
  stage.begin();
  stage.watchPlaces(() => {
    if (--left !== 0 || scope === undefined) return;
    cancelled = true;
    ended = performance.now();
    scope.cancel();
  });
  try {
    const once = () => withCancelScope((inner) => ((scope = inner), main(args)));
    await run(() => withLeakCheck(once), { host: false });
  } catch (error) {
    return { cancelled, fault: String(error) };
  } finally {
    stage.watchPlaces(undefined);
  }
  const unbalanced = stage.unbalanced();
  if (unbalanced.length > 0) return { cancelled, fault: `entered and left differ at ${unbalanced.join(", ")}` };
  if (cancelled && performance.now() - ended > longest) return { cancelled, fault: "it went on for too long" };
  return { cancelled };
}
