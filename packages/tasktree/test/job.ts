import type { Child, EndWatcher, Task } from "../src/lowlevel.ts";

/** A child that is an object, and notes what is asked of it. */
export class Job implements Child {
  previousWatcher: EndWatcher | undefined = undefined;
  nextWatcher: EndWatcher | undefined = undefined;
  watched: Task | undefined = undefined;
  readonly log: string[] = [];
  readonly #run: () => unknown;
  readonly #ended: (task: Task) => void;

  constructor(run: () => unknown, ended: (task: Task) => void = () => {}) {
    this.#run = run;
    this.#ended = ended;
  }

  get name(): string {
    this.log.push("name");
    return "job";
  }

  run(): unknown {
    this.log.push("run");
    const run = this.#run; // as a method it would be held by the stacks of errors made inside
    return run();
  }

  taskEnded(task: Task): void {
    this.log.push("ended");
    this.#ended(task);
  }
}
