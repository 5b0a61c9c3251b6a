/**
 * Lost updates: a write based on a read made in an earlier step, though somebody else has written since.
 *
 * Who has read is known as a strand of the program. What a strand has read counts for the one that goes on with what it has come
 * to, once it has ended (an async function that was awaited), and what was read in the very step in which a strand began counts for that, if
 * a function of that step goes on in it.
 */
import { LostUpdateError } from "../../errors.ts";
import type { Strand } from "./strands.ts";
import { functionsIn, siteIn, type Site } from "./trace.ts";

/** Somebody's access to a property. */
interface Access {
  readonly strand: Strand | undefined;
  readonly move: number;
  readonly functions: readonly string[];
  readonly site: Site | undefined;
}

/** What is known of a property. */
interface History {
  /** For each strand its last read since it has written last. */
  readonly reads: Map<Strand | undefined, Access>;
  lastWrite: Access | undefined;
}

/** Everything that one schedule has read and written. */
export class Histories {
  readonly #known = new WeakMap<object, Map<PropertyKey, History>>();

  read(target: object, key: PropertyKey, strand: Strand | undefined, move: number): void {
    this.#of(target, key).reads.set(strand, accessOf(strand, move));
  }

  /** Gives the update that is lost by this write, if it is one. */
  written(target: object, key: PropertyKey, strand: Strand | undefined, move: number): LostUpdateError | undefined {
    const access = accessOf(strand, move);
    const history = this.#of(target, key);
    const basis = basisOf(access, history);
    const { lastWrite } = history;
    history.lastWrite = access;
    // What it writes next is based on nothing, until it reads again.
    for (const reader of history.reads.keys()) if (speaksFor(reader, strand)) history.reads.delete(reader);
    const isLost = basis !== undefined && lastWrite !== undefined && lastWrite.move > basis.move;
    if (!isLost || speaksFor(lastWrite.strand, strand)) return undefined;
    return new LostUpdateError(
      `Lost update of '${String(key)}': ${who(access)} wrote it${at(access)} from what it had read${at(basis)}, and ${who(lastWrite)} had written it meanwhile${at(lastWrite)}`,
    );
  }

  #of(target: object, key: PropertyKey): History {
    let keys = this.#known.get(target);
    if (keys === undefined) this.#known.set(target, (keys = new Map()));
    let history = keys.get(key);
    if (history === undefined) keys.set(key, (history = { reads: new Map(), lastWrite: undefined }));
    return history;
  }
}

function accessOf(strand: Strand | undefined, move: number): Access {
  const { stack = "" } = new Error("access");
  return { strand, move, functions: functionsIn(stack), site: siteIn(stack) };
}

/** The last read that a write may be based on. */
function basisOf(access: Access, history: History): Access | undefined {
  let basis: Access | undefined;
  for (const [reader, read] of history.reads) {
    const isOwn = speaksFor(reader, access.strand) || startedBy(read, access);
    if (isOwn && (basis === undefined || read.move > basis.move)) basis = read;
  }
  return basis !== undefined && basis.move < access.move ? basis : undefined;
}

/** Whether `strand` is `other`, or has ended and given that what it has come to. */
function speaksFor(strand: Strand | undefined, other: Strand | undefined): boolean {
  if (strand === other) return true;
  const seen = new Set<Strand>();
  for (let at = strand?.endedInto; at !== undefined && !seen.has(at); at = at.endedInto) {
    if (at === other) return true;
    seen.add(at);
  }
  return false;
}

function startedBy(read: Access, { strand, functions }: Access): boolean {
  if (strand === undefined || strand.isFirst || read.strand !== strand.parent || read.move !== strand.bornIn)
    return false;
  return read.functions.some((name) => functions.includes(name));
}

function who({ strand, functions }: Access): string {
  const task = strand?.task;
  const name = functions[0] ?? "the program";
  return task === undefined || task.path === "main" ? `'${name}'` : `task '${task.name}'`;
}

function at({ site }: Access): string {
  return site === undefined ? "" : ` at ${site.file}:${site.line}`;
}
