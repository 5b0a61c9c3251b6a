/** A schedule as a picture: a column for each strand, a row for each step, with the line of source that goes on there. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import type { Strand } from "./strands.ts";
import type { Site, Trace, TraceEvent } from "./trace.ts";

const longestPicture = 60;
const longestLine = 90;

/** The interleaving that `trace` has recorded, as lines of text. */
export function interleaving(trace: Trace): string {
  const events = readable(trace.events);
  const strands = [...new Set(events.flatMap(({ strand }) => strand ?? []))];
  if (strands.length === 0) return "";
  const names = namesOf(strands, trace);
  const head = strands.map((strand, at) => `${"│ ".repeat(at)}${names.get(strand)}`);
  const rows = events.map((event) => row(event, strands, names));
  if (rows.length > longestPicture) {
    const more = rows.length - longestPicture;
    rows.splice(longestPicture / 2, more, `… ${more} steps more …`);
  }
  return [...head, ...rows].join("\n");
}

/**
 * Without steps of which nothing can be said, and of equal ones in a row the first. Runtimes that don't tell where an await
 * goes on (Node before 26, Bun) leave only that it does.
 */
function readable(events: readonly TraceEvent[]): readonly TraceEvent[] {
  const tells = events.some(({ site }) => site !== undefined);
  return events.filter(({ site, note, strand }, at) => {
    if (note !== undefined) return true;
    const before = events[at - 1];
    const isSame = before?.strand === strand && before?.site?.line === site?.line && before?.site?.file === site?.file;
    return (site !== undefined || !tells) && !isSame;
  });
}

/** A task's name where it has one column; else with the function's that goes on there. */
function namesOf(strands: readonly Strand[], trace: Trace): Map<Strand, string> {
  const names = new Map<Strand, string>();
  const used = new Map<string, number>();
  for (const strand of strands) {
    const { task } = strand;
    const alone = strands.every((one) => one === strand || one.task !== task);
    const own = trace.names.get(strand);
    const name = alone || own === undefined ? (task?.name ?? "outside") : own;
    const count = (used.get(name) ?? 0) + 1;
    used.set(name, count);
    names.set(strand, count === 1 ? name : `${name} (${count})`);
  }
  return names;
}

function row({ strand, site, note }: TraceEvent, strands: readonly Strand[], names: Map<Strand, string>): string {
  const columns = strands.map((one) => (one === strand ? "●" : "│")).join(" ");
  const who = strand === undefined ? "" : names.get(strand)!;
  const goesOn = site === undefined ? "goes on" : `${where(site)}  ${sourceLine(site)}`;
  const what = note === undefined ? goesOn : `${who} ${note}`.trim();
  return `${columns}  ${what}`;
}

function where({ file, line }: Site): string {
  return `${basename(file)}:${line}`;
}

const sources = new Map<string, readonly string[]>();

function sourceLine({ file, line }: Site): string {
  let lines = sources.get(file);
  if (lines === undefined) {
    try {
      lines = readFileSync(file, "utf8").split("\n");
    } catch {
      lines = []; // code that stands in no file
    }
    sources.set(file, lines);
  }
  const text = lines[line - 1]?.trim() ?? "";
  return text.length > longestLine ? `${text.slice(0, longestLine - 1)}…` : text;
}
