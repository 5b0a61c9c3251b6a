/**
 * Whether real I/O is pending, as far as the runtime tells.
 *
 * `process.getActiveResourcesInfo()` names sockets, pipes, child processes and name look-ups that keep the process alive, but
 * not what the thread pool does (files, crypto, compression), nor workers: those, on Node, `async_hooks` tells of, with the context
 * that has begun them; of sockets, pipes and children too, which else could hide behind others' of their kind that close meanwhile.
 * Bun tells of neither, Deno of sockets and child processes.
 */
import { createHook } from "node:async_hooks";
import { currentFrame, type Frame } from "../core/current.ts";

/** What waits for nobody in particular, or is no I/O. */
const passive = /^(Timeout|Immediate|.*ServerWrap|TTYWrap|SignalWrap|FSEventWrap|MessagePort)$/;

/** Work that has an end of its own; of requests to an HTTP server, the socket tells. */
const jobs = /^(FSREQ\w+|\w*(?<!HTTPCLIENT)REQUEST|FILEHANDLECLOSEREQ|WORKER|\w+INFOREQWRAP|QUERYWRAP)$/;

/** What has no end of its own, but is pending at times: as async_hooks calls it, and as the active resources do. */
const handles = new Map([
  ["TCPWRAP", "TCPSocketWrap"],
  ["PIPEWRAP", "PipeWrap"],
  ["UDPWRAP", "UDPWrap"],
  ["PROCESSWRAP", "ProcessWrap"],
  ["ZLIB", "Zlib"],
]);

interface Handle {
  readonly kind: string;
  readonly resource: {
    hasRef?(): boolean;
    /** Of a compressor: what it works on. */
    readonly buffer?: unknown;
  };
}

interface Watch {
  readonly covers: (frame: Frame | undefined) => boolean;
  readonly jobs: Map<number, string>;
  readonly handles: Map<number, Handle>;
}

const watches = new Set<Watch>();

// Promises would make every await dearer, and are none.
const hook = createHook({
  init(id, type, _trigger, resource) {
    const kind = handles.get(type);
    if (kind === undefined && !jobs.test(type)) return;
    const frame = currentFrame();
    for (const watch of watches) {
      if (!watch.covers(frame)) continue;
      if (kind === undefined) watch.jobs.set(id, type);
      else watch.handles.set(id, { kind, resource });
    }
  },
  destroy(id) {
    for (const watch of watches) {
      watch.jobs.delete(id);
      watch.handles.delete(id);
    }
  },
  trackPromises: false,
});

export interface IoWatch {
  /** The kinds of what is pending. */
  pending(): string[];
  stop(): void;
}

/** Watches what begins from now on: jobs of covered code, and whatever else is open in the process. */
export function watchIo(covers: (frame: Frame | undefined) => boolean): IoWatch {
  // Made when first used, they would look like something that the run has opened.
  void process.stdout;
  void process.stderr;
  const before = openResources();
  const watch: Watch = { covers, jobs: new Map(), handles: new Map() };
  watches.add(watch);
  hook.enable();
  return {
    pending: () => [
      ...new Set([...newIn(openResources(), before), ...watch.jobs.values(), ...kindsOf(watch.handles.values())]),
    ],
    stop() {
      watches.delete(watch);
      if (watches.size === 0) hook.disable();
    },
  };
}

function openResources(): Map<string, number> {
  const open = new Map<string, number>();
  for (const type of process.getActiveResourcesInfo?.() ?? []) {
    if (!passive.test(type)) open.set(type, (open.get(type) ?? 0) + 1);
  }
  return open;
}

function kindsOf(handles: Iterable<Handle>): string[] {
  return [...handles].filter(isPending).map(({ kind }) => kind);
}

function isPending({ resource }: Handle): boolean {
  return resource.hasRef?.() === true || (resource.buffer ?? null) !== null;
}

function newIn(open: Map<string, number>, before: Map<string, number>): string[] {
  return [...open].filter(([type, count]) => count > (before.get(type) ?? 0)).map(([type]) => type);
}
