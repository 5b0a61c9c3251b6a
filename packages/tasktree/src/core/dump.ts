/** The tree as text: what is alive, and what it waits for. */
import type { Root } from "./root.ts";
import type { ScopeNode } from "./scope.ts";
import { successor, successorAfter } from "./subtree.ts";
import { TaskNode, type Task } from "./task.ts";
import { siteOf, type Wait } from "./wait-list.ts";

const longestDump = 1000;
const deepestIndent = 20;
const mostOrphans = 100;
/** How many waits, holders, or tasks of a ring are named. */
const longestList = 10;

/** Every task of `root` with what it waits for, one line each, children below their parents. */
export function dumpTree(root: Root): string {
  const lines: string[] = [];
  let tasks = 0;
  for (
    let node: ScopeNode | undefined = successor(root.node, root.node);
    node !== undefined;
    node = successor(node, root.node)
  ) {
    if (!(node instanceof TaskNode)) continue;
    if (++tasks <= longestDump)
      lines.push(
        `${"  ".repeat(Math.min(tasksAbove(node), deepestIndent))}${node.name} ${waitsOf(node)}${site("spawned", siteOf(node))}`,
      );
  }
  if (tasks > longestDump) lines.push(`(and ${tasks - longestDump} more tasks)`);
  for (const orphan of root.orphans.values().take(mostOrphans))
    lines.push(`(a foreign promise that '${orphan.path}' stopped waiting for has not settled)`);
  const more = root.orphans.size - mostOrphans;
  if (more > 0) lines.push(`(and ${more} more foreign promises)`);
  return lines.join("\n");
}

function tasksAbove(task: TaskNode): number {
  let above = 0;
  for (let node = task.parent; node !== undefined; node = node.parent) if (node.kind === "task") above++;
  return above;
}

/** "waits for semaphore 'db' (0 of 1 free), held by task 'b'". */
export function waitsOf(task: TaskNode): string {
  const waits = firstFew(waitsInside(task), describe);
  if (waits.length > 0) return `waits for ${waits.join(" and for ")}`;
  return holdsTasks(task) ? "waits for its children" : "waits for something that tasktree does not know, or is running";
}

function describe(wait: Wait): string {
  const what = wait.on?.describe() ?? (wait.forever ? "its cancellation" : "a time");
  const holders = firstFew(wait.on?.holders?.() ?? [], (holder) => `task '${holder.name}'`).filter(
    (holder) => holder !== what,
  );
  const held = holders.length === 0 ? "" : `, held by ${holders.join(" and ")}`;
  return `${what}${held}${site("at", siteOf(wait))}`;
}

function site(word: string, where: string | undefined): string {
  return where === undefined ? "" : ` (${word} ${where})`;
}

/** The first few of them, and "others" if there are more. */
function firstFew<T>(items: Iterable<T>, shown: (item: T) => string): string[] {
  const few: string[] = [];
  for (const item of items) {
    if (few.length === longestList) return [...few, "others"];
    few.push(shown(item));
  }
  return few;
}

/** The tree, and the ring of tasks that wait for each other, if there is one. */
export function deadlockReport(root: Root): string {
  const ring = ringOf(root);
  return dumpTree(root) + (ring === undefined ? "" : `\nThey wait in a ring: ${ring}`);
}

/** "'a' -> 'b' -> 'a'": a ring of tasks each of which waits for the next; undefined for none. */
export function ringOf(root: Root): string | undefined {
  const cycle = waitCycle(root);
  if (cycle === undefined) return undefined;
  const names = cycle.map((task) => `'${task.name}'`);
  const shown = names.length > longestList ? [...names.slice(0, longestList), "…"] : names;
  return [...shown, names[0]].join(" -> ");
}

/** The waits of a task's own code: of its scope and those it has opened, not of its children. */
export function* waitsInside(task: TaskNode): Iterable<Wait> {
  for (let node: ScopeNode | undefined = task; node !== undefined; node = nextOwn(node, task)) {
    for (let wait = node.waits; wait !== undefined; wait = wait.older) yield wait;
  }
}

/** As `successor`, passing over other tasks' subtrees. */
function nextOwn(node: ScopeNode, top: ScopeNode): ScopeNode | undefined {
  let next = successor(node, top);
  while (next instanceof TaskNode) next = successorAfter(next, top);
  return next;
}

function holdsTasks(task: TaskNode): boolean {
  return task.children?.first !== undefined;
}

/** A ring of tasks each of which waits for the next, or undefined. */
function waitCycle(root: Root): Task[] | undefined {
  const done = new Set<Task>();
  for (const start of tasksOf(root)) {
    const path: Task[] = [];
    const cycle = follow(start, path, new Set(), done);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

// An explicit stack of iterators, since chains of waiting tasks can be as long as there are tasks.
function follow(start: TaskNode, path: Task[], onPath: Set<Task>, done: Set<Task>): Task[] | undefined {
  if (done.has(start)) return undefined;
  const stack: Iterator<Task>[] = [neededBy(start)];
  path.push(start);
  onPath.add(start);
  while (stack.length > 0) {
    const next = stack.at(-1)!.next();
    if (next.done === true) {
      stack.pop();
      const finished = path.pop()!;
      onPath.delete(finished);
      done.add(finished);
    } else if (onPath.has(next.value)) {
      return path.slice(path.indexOf(next.value));
    } else if (!done.has(next.value)) {
      stack.push(neededBy(next.value as TaskNode));
      path.push(next.value);
      onPath.add(next.value);
    }
  }
  return undefined;
}

/** The tasks without which `task` cannot go on: holders of what it waits for, and its children. */
function* neededBy(task: TaskNode): Iterator<Task> {
  for (const wait of waitsInside(task)) yield* wait.on?.holders?.() ?? [];
  for (let node = successor(task, task); node !== undefined;) {
    if (node instanceof TaskNode) {
      yield node;
      node = successorAfter(node, task);
    } else {
      node = successor(node, task);
    }
  }
}

export function* tasksOf(root: Root): Iterable<TaskNode> {
  for (
    let node: ScopeNode | undefined = successor(root.node, root.node);
    node !== undefined;
    node = successor(node, root.node)
  ) {
    if (node instanceof TaskNode) yield node;
  }
}
