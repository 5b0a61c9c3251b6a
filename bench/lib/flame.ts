/**
 * A picture of where the time of a measurement went, from V8's profile of it: a flame graph (Brendan Gregg's), stacks
 * merged, each box as wide as the time spent in it. It has no script, so it shows wherever an image can. Of the packages
 * that read such a profile we found none that is kept up and draws an image: they open a viewer, or write text.
 */
export type Profile = { nodes: ProfileNode[]; samples: number[]; timeDeltas: number[] };
type CallFrame = { functionName: string; url: string; lineNumber: number };
export type ProfileNode = { id: number; callFrame: CallFrame; children?: number[] };

type Frame = { name: string; file: string; line: number };
type Tree = { frame: Frame; time: number; above: Map<string, Tree> };

/** `x` and `width` are shares of all time that is shown; the bottom row is at depth 0. */
export type Box = { frame: Frame; x: number; width: number; depth: number };
/** `shares` is how much of the time was spent in each kind of code itself. */
export type Flame = { boxes: Box[]; shares: Map<string, number>; samples: number };

const kinds: { kind: string; color: string; of: RegExp }[] = [
  { kind: "garbage collector", color: "#c4c4c4", of: /^\(garbage collector\)$/ },
  { kind: "no JavaScript", color: "#e4e4e4", of: /^\(program\)$/ },
  { kind: "libraries", color: "#c3b8f2", of: /node_modules\// },
  { kind: "benchmark", color: "#efe29a", of: /^bench\// },
  { kind: "core", color: "#f5a88a", of: /^packages\/tasktree\/src\/core\// },
  { kind: "combine", color: "#8ed6ac", of: /^packages\/tasktree\/src\/combine\// },
  { kind: "sync", color: "#88c8ea", of: /^packages\/tasktree\/src\/sync\// },
  { kind: "channels", color: "#eaa9d3", of: /^packages\/tasktree\/src\/channels\// },
  { kind: "tasktree otherwise", color: "#f7c873", of: /^packages\/tasktree\// },
  { kind: "Node", color: "#b7d0a8", of: /^/ },
];
const LOADING = /^node:internal\/(bootstrap|main|modules)\//;
const RUNNER = "bench/child.ts";
const LEAST = 0.003;
const [WIDTH, ROW, TOP, CHARACTER] = [1200, 17, 64, 6.1];
const repository = new URL("../..", import.meta.url).href;

/** What the adapter did from its first run on, warm-up included, without what `adapterPart` leaves out. */
export function layOut({ nodes, samples, timeDeltas }: Profile): Flame {
  const stacks = stacksOf(nodes);
  const start = samples.findIndex((id) => stacks.get(id)!.some(({ name, file }) => name === "once" && file === RUNNER));
  if (start === -1) throw new Error("Cannot draw a profile: no sample is of a run");
  const all: Tree = { frame: { name: "", file: "", line: 0 }, time: 0, above: new Map() };
  const own = new Map<string, number>();
  let count = 0;
  for (const [at, id] of samples.entries()) {
    const stack = at < start ? [] : adapterPart(stacks.get(id)!);
    if (stack.length === 0) continue;
    const time = Math.max(0, timeDeltas[at]!);
    count++;
    all.time += time;
    stack.reduce((tree, frame) => stepUp(tree, frame, time), all);
    const { kind } = kindOf(stack.at(-1)!);
    own.set(kind, (own.get(kind) ?? 0) + time);
  }
  const shares = new Map([...own].map(([kind, time]) => [kind, time / all.time]));
  return { boxes: place(all, 0, 0, all.time), shares, samples: count };
}

/** The frames of each node, the outermost first, without the root. */
function stacksOf(nodes: ProfileNode[]): Map<number, Frame[]> {
  const below = new Map(nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node] as const)));
  function stackOf(node: ProfileNode): Frame[] {
    const under = below.get(node.id);
    return under === undefined ? [] : [...stackOf(under), frameOf(node)];
  }
  return new Map(nodes.map((node) => [node.id, stackOf(node)]));
}

function frameOf({ callFrame: { functionName, url, lineNumber } }: ProfileNode): Frame {
  const file = url.startsWith(repository) ? url.slice(repository.length) : url.replace(/^file:.*\//, "");
  return { name: functionName || "(anonymous)", file, line: lineNumber + 1 };
}

/**
 * Without the benchmark's own frames below it. Nothing is left of a stack that waits, loads modules, or counts and checks;
 * one that does not stand on the benchmark's is where something goes on after waiting.
 */
function adapterPart(stack: Frame[]): Frame[] {
  if (stack[0]?.name === "(idle)" || stack.some(({ file }) => LOADING.test(file))) return [];
  const first = stack.findIndex(({ file }) => file !== RUNNER);
  return first === 0 || stack[first]?.file.startsWith("bench/peers/") ? stack.slice(first) : [];
}

function stepUp({ above }: Tree, frame: Frame, time: number): Tree {
  const key = `${frame.name} ${frame.file}:${frame.line}`;
  const tree = above.get(key) ?? { frame, time: 0, above: new Map<string, Tree>() };
  tree.time += time;
  above.set(key, tree);
  return tree;
}

function place({ above }: Tree, x: number, depth: number, total: number): Box[] {
  const boxes: Box[] = [];
  for (const tree of [...above.values()].toSorted((a, b) => b.time - a.time)) {
    const width = tree.time / total;
    if (width >= LEAST) boxes.push({ frame: tree.frame, x, width, depth }, ...place(tree, x, depth + 1, total));
    x += width;
  }
  return boxes;
}

function kindOf({ name, file }: Frame): (typeof kinds)[number] {
  return kinds.find(({ of }) => of.test(file || name))!;
}

/** The flame graph as SVG, under a title, a line of facts and a legend. */
export function draw({ boxes, shares }: Flame, title: string, facts: string): string {
  const height = TOP + ROW * (2 + Math.max(...boxes.map(({ depth }) => depth)));
  const legend = kinds.map(({ kind, color }) => {
    const share = shares.get(kind) ?? 0;
    return share < LEAST
      ? ""
      : `<tspan fill="${color}" stroke="#666" stroke-width=".5">■</tspan> ${kind} ${percent(share)}  `;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="monospace" font-size="10">
<style>rect{stroke:#fff;stroke-width:.5}</style>
<rect width="100%" height="100%" fill="#fff"/>
<text x="8" y="18" font-size="14" font-weight="bold">${escaped(title)}</text>
<text x="8" y="34">${escaped(facts)}</text>
<text x="8" y="50">${legend.join("")}</text>
${boxes.map((box) => drawBox(box, height - ROW * (box.depth + 1.5))).join("\n")}
</svg>
`;
}

function drawBox({ frame, x, width }: Box, y: number): string {
  const left = 8 + x * (WIDTH - 16);
  const wide = width * (WIDTH - 16);
  const where =
    frame.file === ""
      ? ""
      : ` ${frame.file.replace(/^(packages\/tasktree\/src|bench\/node_modules)\//, "")}:${frame.line}`;
  const text = `${frame.name}${where}`;
  const room = Math.floor((wide - 4) / CHARACTER);
  const label = room < 3 ? "" : text.length <= room ? text : `${text.slice(0, room - 1)}…`;
  const rect = `<rect x="${left.toFixed(1)}" y="${y}" width="${wide.toFixed(1)}" height="${ROW}" fill="${kindOf(frame).color}"/>`;
  const inside = label && `<text x="${(left + 2).toFixed(1)}" y="${y + 12}">${escaped(label)}</text>`;
  return `<g><title>${escaped(text)} ${percent(width)}</title>${rect}${inside}</g>`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
