import { StuckTaskError } from "../errors.ts";
import { Alarm } from "./clock.ts";
import { waitsOf } from "./dump.ts";
import type { ScopeNode } from "./scope.ts";
import { successor } from "./subtree.ts";
import { TaskNode } from "./task.ts";

/** What the cut-off has cut needs a moment to end, in milliseconds. */
const settlingTime = 10;
const reportEvery = 5000;

/** When each was named last: several cancelled scopes may watch one task. */
const named = new WeakMap<TaskNode, number>();

/** Names the tasks that have not ended though their grace is over, or gives them up (rule C10). */
export class StuckWatch {
  readonly #scope: ScopeNode;
  #alarm: Alarm | undefined = undefined;

  constructor(scope: ScopeNode) {
    this.#scope = scope;
    const gives = scope.root.onStuck === "abandon";
    if (gives || scope.root.instruments !== undefined) this.#again(settlingTime, gives);
  }

  ring(): void {
    if (this.#scope.ended) return;
    const gives = this.#scope.root.onStuck === "abandon";
    const stuck = stuckTasks(this.#scope);
    const shielding = gives ? aroundShields(this.#scope) : undefined;
    for (const task of stuck) {
      const givesThis = shielding?.has(task) === false;
      const now = task.root.clock.now();
      if (!givesThis && now - (named.get(task) ?? -Infinity) < reportEvery) continue;
      named.set(task, now);
      const waits = waitsOf(task);
      task.root.instruments?.taskStuck(task, waits);
      if (givesThis) giveUp(task, waits);
    }
    const goesOn = gives && stuck.length > 0;
    this.#again(goesOn ? settlingTime : reportEvery, goesOn);
  }

  /** What only reports, or has nobody to give up, must not keep a process alive that is otherwise at its end. */
  #again(ms: number, holds: boolean): void {
    const { clock } = this.#scope.root;
    this.#alarm = new Alarm(this, holds);
    clock.set(this.#alarm, clock.now() + ms);
  }
}

function giveUp(task: TaskNode, waits: string): void {
  task.giveUp(
    new StuckTaskError(`Gave up task '${task.path}', which did not end within its grace: it ${waits}`, {
      task: task.path,
    }),
  );
}

/** The running tasks of a subtree whose grace is over, and which don't just wait for others of these. */
export function stuckTasks(scope: ScopeNode): TaskNode[] {
  const stuck: TaskNode[] = [];
  const waiting = new Set<ScopeNode>();
  const now = scope.root.clock.now();
  for (let node: ScopeNode | undefined = scope; node !== undefined; node = successor(node, scope)) {
    if (!(node instanceof TaskNode) || node.force === undefined || node.force.cutoff > now) continue;
    stuck.push(node);
    const above = node.parent?.task;
    if (above !== undefined) waiting.add(above);
  }
  return stuck.filter((task) => !waiting.has(task));
}

/** What has a shield inside that will end, and has not: nobody gives that up. */
function aroundShields(scope: ScopeNode): Set<ScopeNode> {
  const around = new Set<ScopeNode>();
  for (let node: ScopeNode | undefined = scope; node !== undefined; node = successor(node, scope)) {
    if (!node.hides || node.shieldEnd === Infinity) continue;
    for (let at = node.parent; at !== undefined && !around.has(at); at = at.parent) around.add(at);
  }
  return around;
}
