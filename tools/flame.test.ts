import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Box, draw, layOut, type Profile, type ProfileNode } from "../bench/lib/flame.ts";

const child = "bench/child.ts";
const adapter = "bench/peers/tasktree/tasks.ts";
const core = "packages/tasktree/src/core/task.ts";

function node(id: number, functionName: string, path: string, children: number[] = []): ProfileNode {
  const url = path === "" || path.startsWith("node:") ? path : new URL(`../${path}`, import.meta.url).href;
  return { id, callFrame: { functionName, url, lineNumber: 9 }, children };
}

const nodes = [
  node(1, "(root)", "", [2, 3, 4, 5, 7, 14, 17]),
  node(2, "(program)", ""),
  node(3, "(garbage collector)", ""),
  node(4, "(idle)", ""),
  node(5, "run", "node:internal/modules/esm/module_job", [6]),
  node(6, "", adapter),
  node(7, "sample", child, [8, 18]),
  node(8, "once", child, [9, 12, 13]),
  node(9, "spawn", adapter, [10, 11]),
  node(10, "#run<T>", core),
  node(11, "now", "node:internal/perf/performance"),
  node(12, "memoryUsage", "node:internal/process/per_thread"),
  node(13, "checkResult", "bench/lib/program.ts"),
  node(14, "", adapter, [15, 16]),
  node(15, "settle", core),
  node(16, "settle", core),
  node(17, "load", "bench/lib/subject.ts"),
  node(18, "median", "bench/lib/statistics.ts"),
];

/** Of each sample its node and the microseconds that it stands for. */
function profile(...samples: [id: number, time: number][]): Profile {
  return { nodes, samples: samples.map(([id]) => id), timeDeltas: samples.map(([, time]) => time) };
}

const START_UP: [number, number][] = [
  [2, 500],
  [3, 500],
  [6, 500],
  [17, 500],
];
const RUNS: [number, number][] = [
  [9, 100],
  [10, 300],
  [11, 50],
  [3, 250],
  [2, 50],
  [15, 100],
  [16, 150],
];
const BESIDE: [number, number][] = [
  [4, 700],
  [6, 700],
  [7, 700],
  [8, 700],
  [12, 700],
  [13, 700],
  [18, 700],
];

function row(boxes: Box[], at: number): string[] {
  return boxes.filter(({ depth }) => depth === at).map(({ frame, width }) => `${frame.name} ${width.toFixed(3)}`);
}

describe("the layout of a flame graph", () => {
  const { boxes, shares, samples } = layOut(profile(...RUNS));

  test("equal stacks are merged, the widest comes first, and what goes on after waiting stands on the ground", () => {
    const ground = ["spawn 0.450", "(garbage collector) 0.250", "(anonymous) 0.250", "(program) 0.050"];
    assert.deepEqual(row(boxes, 0), ground);
    assert.deepEqual(row(boxes, 1), ["#run<T> 0.300", "now 0.050", "settle 0.250"]);
    assert.equal(boxes.length, 7);
    assert.equal(samples, RUNS.length);
  });

  test("boxes of a row follow each other, and those above a box do not reach beyond it", () => {
    for (const upper of boxes) {
      const level = boxes.filter(({ depth }) => depth === upper.depth);
      for (const other of level)
        assert.ok(other === upper || ends(other) <= starts(upper) || ends(upper) <= starts(other));
      const under = boxes.filter(({ depth, x }) => depth === upper.depth - 1 && x <= upper.x).at(-1);
      assert.ok(upper.depth === 0 || ends(upper) <= ends(under!));
    }
  });

  test("each kind of code has the time spent in it itself", () => {
    const rounded = Object.fromEntries([...shares].map(([kind, share]) => [kind, Number(share.toFixed(6))]));
    assert.deepEqual(rounded, {
      benchmark: 0.1,
      core: 0.55,
      Node: 0.05,
      "garbage collector": 0.25,
      "no JavaScript": 0.05,
    });
  });

  test("start-up is left out, with its garbage collections", () => {
    assert.deepEqual(layOut(profile(...START_UP, ...RUNS)), layOut(profile(...RUNS)));
  });

  test("waiting, loading of modules and what the benchmark itself does are left out", () => {
    assert.deepEqual(layOut(profile(...RUNS, ...BESIDE)), layOut(profile(...RUNS)));
  });

  test("what is too narrow to be seen is left out, and its room stays", () => {
    const { boxes } = layOut(profile([9, 998], [3, 2]));
    assert.deepEqual(row(boxes, 0), ["spawn 0.998"]);
  });

  test("a profile without a run is refused", () => {
    assert.throws(() => layOut(profile(...START_UP)), /^Error: Cannot draw a profile: no sample is of a run$/);
  });

  test("the picture names each box with its place and share, in XML, and no folder of this machine", () => {
    const picture = draw(layOut(profile(...RUNS)), "spawn & join", "1 µs");
    assert.match(picture, /<title>#run&lt;T&gt; core\/task\.ts:10 30\.0 %<\/title>/);
    assert.match(picture, /<title>\(garbage collector\) 25\.0 %<\/title>/);
    assert.match(picture, />spawn &amp; join</);
    assert.doesNotMatch(picture, /file:|<script/);
  });
});

function starts({ x }: Box): number {
  return Number(x.toFixed(9));
}

function ends({ x, width }: Box): number {
  return Number((x + width).toFixed(9));
}
