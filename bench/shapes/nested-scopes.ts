import { collectGarbage, heapAfterGc, startSpan } from "../lib/clock.ts";
import type { Figures, Shape } from "../lib/contract.ts";
import { tasktree as tt } from "../lib/subject.ts";
import { growthFaults } from "./growth.ts";

type Block = () => Promise<void>;

/** How one level is nested in another: by a plain scope, or by a task in a group. */
const kinds: Record<string, (inner: Block) => Promise<unknown>> = {
  scopes: (inner) => tt.withCancelScope(inner),
  groups: (inner) => tt.withTaskGroup(async (group) => void group.spawn(inner)),
};

async function measure(nest: (inner: Block) => Promise<unknown>, depth: number): Promise<Figures> {
  let left = 0;
  const before = heapAfterGc();
  const stopOpening = startSpan();
  let opened = { cpuNs: 0, wallNs: 0 };
  let held = 0;
  let stop = startSpan();

  async function descend(remaining: number): Promise<void> {
    // Without this turn the descent itself, ours, would overflow the stack.
    await null;
    if (remaining === 0) return await bottom();
    try {
      await nest(() => descend(remaining - 1));
    } finally {
      left++;
    }
  }
  let cancel: () => void = () => {};
  async function bottom(): Promise<void> {
    opened = stopOpening();
    held = heapAfterGc() - before;
    stop = startSpan();
    cancel();
    await tt.sleepForever();
  }
  async function outermost(scope: { cancel(): void }): Promise<void> {
    cancel = () => scope.cancel();
    await descend(depth);
  }
  await tt.run(() => tt.withCancelScope(outermost), { host: false });
  const closed = stop();
  if (left !== depth) throw new Error(`Only ${left} of ${depth} levels were left`);
  return {
    "open cpu µs/level": opened.cpuNs / 1000 / depth,
    "cancel cpu µs/level": closed.cpuNs / 1000 / depth,
    "held B/level": held / depth,
  };
}

export const nestedScopes: Shape = {
  name: "nested-scopes",
  title: "100,000 scopes within each other open and cancel in linear time, without overflowing the stack",
  points: ["scopes:10000", "scopes:100000", "groups:10000", "groups:100000"],
  quickPoints: ["scopes:10000", "scopes:100000"],
  async measure(point) {
    const [kind = "", depth] = point.split(":");
    await measure(kinds[kind]!, 1000);
    collectGarbage();
    return await measure(kinds[kind]!, Number(depth));
  },
  faults(figures) {
    const columns = ["open cpu µs/level", "cancel cpu µs/level"];
    return Object.keys(kinds).flatMap((kind) => {
      const ofKind = new Map([...figures].filter(([point]) => point.startsWith(kind)));
      return columns.flatMap((column) => growthFaults(ofKind, column, 4));
    });
  },
};
