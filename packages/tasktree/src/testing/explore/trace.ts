/** What happened in a schedule, for people. */
import { basename } from "node:path";
import { isOwn } from "../../internal/own-folder.ts";
import type { Strand } from "./strands.ts";

/** A place in somebody's source. */
export interface Site {
  readonly file: string;
  readonly line: number;
  /** The function there, if it has a name. */
  readonly name: string | undefined;
}

export interface TraceEvent {
  readonly strand: Strand | undefined;
  readonly site: Site | undefined;
  /** What happened, where it is more than going on. */
  readonly note: string | undefined;
}

/** Records a schedule. */
export class Trace {
  readonly events: TraceEvent[] = [];
  /** The function that a strand is in, for its name. */
  readonly names: Map<Strand, string> = new Map();

  /** Where the code that calls, or awaits, stands in the program: the innermost of its frames that is no tasktree's. */
  site(): Site | undefined {
    return siteIn(new Error("site").stack ?? "");
  }

  resumed(strand: Strand | undefined, site: Site | undefined): void {
    if (strand !== undefined && site?.name !== undefined && !this.names.has(strand)) this.names.set(strand, site.name);
    this.events.push({ strand, site, note: undefined });
  }

  note(strand: Strand | undefined, note: string): void {
    this.events.push({ strand, site: undefined, note });
  }
}

/** The innermost place in `stack` that belongs to the program. */
export function siteIn(stack: string): Site | undefined {
  return sitesIn(stack).next().value;
}

/** The functions of the program in `stack`, innermost first. */
export function functionsIn(stack: string): string[] {
  return [...sitesIn(stack)].map(({ name, file }) => name ?? `a function in ${basename(file)}`);
}

function* sitesIn(stack: string): Generator<Site, undefined> {
  for (const line of stack.split("\n").slice(1)) {
    // Not code that goes on, but the promise that gathers others.
    if (/^\s*at (?:async )?Promise\.\w+ \((?:index \d+|<anonymous>)\)$/.test(line)) return undefined;
    const found = /^\s*at (async )?(?:(.*?) \()?(?:file:\/\/)?(\/[^()]*?):(\d+)(?::\d+)?\)?$/.exec(line);
    if (found === null) continue;
    const [, later, name, file, at] = found;
    // A `then` that tasktree has called for itself, and not a place where the program waits.
    if (later === undefined && isOwn(file!) && !/\/(?:src|dist)\/testing\//.test(file!)) return undefined;
    if (file!.includes("node_modules") || isOwn(file!)) continue;
    yield { file: file!, line: Number(at), name: name === "<anonymous>" ? undefined : name };
  }
  return undefined;
}
