/**
 * Sees to it that no process outlives the program that opened it, however that ends: by its last line, by `process.exit()`, by a
 * signal, or by KILL, of which nobody is told. A small shell reads from a pipe that only we hold what is started and what is over.
 * When we are gone the pipe ends; then it ends what is left, with TERM, and after two seconds with KILL.
 *
 * It must not be possible to be killed between the start of a process and the line that tells of it. So a number is announced
 * before, and the process gets it in its environment: what was announced and not told of is looked for in `/proc`. Where there is
 * no `/proc` (macOS), that moment, about a millisecond long, stays open.
 *
 * Roads not taken: a shell before each command that holds it until it is told of (`read; exec "$@"`) closes the moment everywhere,
 * but what cannot be executed then looks like an exit code, and shells drop variables whose names they do not like. A helper that
 * starts the commands itself could not give us their pipes.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { brief } from "../errors.ts";
import { bound } from "../lowlevel.ts";
import { later } from "./later.ts";

/** The variable by which a process that has just been started is found. */
export const markVariable = "TASKTREE_SPAWN";

/**
 * Lines in: `? NUMBER` is announced, which it confirms; `+ NUMBER TARGET` has been started; `- NUMBER TARGET` is over, or was not
 * started. A target is what `kill` takes: a process, or with a minus a group. What is found when we are gone is a moment old, and
 * gets no grace. Nobody reads its confirmations then: it must not end by SIGPIPE.
 */
const script = [
  `trap '' HUP INT PIPE QUIT TERM TSTP`,
  `mark=$1 announced=' ' running=' '`,
  `forget() {`,
  `  case $announced in *" $1 "*) announced="\${announced%% $1 *} \${announced#* $1 }";; esac`,
  `}`,
  `while read -r verb number target; do`,
  `  case $verb in`,
  `    '?') announced="$announced$number "; echo "$number";;`,
  `    '+') forget "$number"; running="$running$target ";;`,
  `    '-') forget "$number"`,
  `      case $running in *" $target "*) running="\${running%% $target *} \${running#* $target }";; esac;;`,
  `  esac`,
  `done`,
  `tell() { for target in $running; do kill -s "$1" -- "$target" 2>/dev/null; done; }`,
  `alive() {`,
  `  for target in $running; do kill -s 0 -- "$target" 2>/dev/null && return 0; done`,
  `  return 1`,
  `}`,
  `find() {`,
  `  for number in $announced; do`,
  `    for file in $(grep -lsF "${markVariable}=$mark-$number." /proc/[0-9]*/environ); do`,
  `      pid=\${file#/proc/}`,
  `      for target in "-\${pid%/environ}" "\${pid%/environ}"; do kill -s KILL -- "$target" 2>/dev/null; done`,
  `    done`,
  `  done`,
  `}`,
  `tell TERM`,
  `tell CONT`,
  `round=0`,
  `while [ $round -lt 20 ] && { [ "$announced" != ' ' ] || alive; }; do`,
  `  find`,
  `  sleep 0.1 || sleep 1`,
  `  round=$((round + 1))`,
  `done`,
  `tell KILL`,
].join("\n");

/** A process that is to be started, is running, or is over. */
export interface Watched {
  /** The value of {@link markVariable} for it. */
  readonly mark: string;
  /** It runs: `target` is its number, or that of its group with a minus. */
  started(target: number): void;
  /** It was not started, or has ended. */
  over(): void;
}

interface Entry {
  readonly number: number;
  target: number | undefined;
}

/** So many times in a row a watchdog that ended at once is replaced. */
const attempts = 3;
/** So long a watchdog may take to answer, in milliseconds. */
const patience = 10_000;
/** One that has lived for so long is no failed attempt, in milliseconds. */
const lived = 1000;

let nextNumber = 1;
const entries = new Set<Entry>();
let current: Dog | undefined;
let failed = 0;

/** A watchdog and what it was told. */
class Dog {
  readonly mark = crypto.randomUUID();
  readonly #shell: ChildProcess;
  readonly #since = performance.now();
  readonly #unconfirmed = new Map<number, (confirmed: boolean) => void>();
  #heard = "";
  /** Why it is of no use. */
  lost: Error | undefined = undefined;

  constructor() {
    // In a session of its own, so that Ctrl-C does not reach it; in the root folder, so that it keeps nothing from being unmounted.
    this.#shell = spawn("/bin/sh", ["-c", script, "tasktree-watchdog", this.mark], {
      cwd: "/",
      detached: true,
      env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin" },
      stdio: ["pipe", "pipe", "ignore"],
    });
    const { stdin, stdout } = this.#shell;
    this.#shell.on("error", (error) => this.lose(error));
    this.#shell.on("exit", (code, signal) => this.lose(new Error(`it ended with ${signal ?? `exit code ${code}`}`)));
    stdin?.on("error", ignore); // its end is told by "exit"
    stdout?.on("error", ignore).on("data", (bytes: Buffer) => this.#hear(bytes.toString()));
    for (const handle of [this.#shell, stdin, stdout]) (handle as { unref?: () => void } | null)?.unref?.();
  }

  tell(line: string): void {
    if (this.lost === undefined && this.#shell.pid !== undefined) this.#shell.stdin?.write(`${line}\n`);
  }

  /** Resolves when it has heard of a process to come; false if it is of no use. A write alone says little: Bun's come later. */
  announce(number: number): Promise<boolean> {
    if (this.lost !== undefined) return Promise.resolve(false);
    return new Promise((resolve) => {
      // Also keeps us alive meanwhile, which the pipes do not.
      const silent = later(() => this.lose(new Error(`it has not answered in ${patience} ms`)), patience);
      this.#unconfirmed.set(number, (confirmed) => {
        clearTimeout(silent);
        resolve(confirmed);
      });
      this.tell(`? ${number}`);
    });
  }

  lose(why: Error): void {
    if (this.lost !== undefined) return;
    this.lost = why;
    this.#shell.stdin?.destroy();
    this.#shell.stdout?.destroy();
    for (const confirm of this.#unconfirmed.values()) confirm(false);
    failed = performance.now() - this.#since < lived ? failed + 1 : 0;
    if (current === this) replace(why);
  }

  #hear(text: string): void {
    const lines = (this.#heard + text).split("\n");
    this.#heard = lines.pop()!;
    for (const number of lines.map(Number)) {
      this.#unconfirmed.get(number)?.(true);
      this.#unconfirmed.delete(number);
    }
  }
}

function ignore(): void {}

function replace(why: Error): void {
  current = undefined;
  if (entries.size === 0) return;
  if (failed < attempts) theDog();
  else process.emitWarning(`tasktree: nobody watches over ${entries.size} processes: ${whyNot(why)}`);
}

/** The watchdog of this program; a new one is told of all there is. In the context in which this file was loaded. */
const theDog = bound((): Dog => {
  if (current !== undefined) return current;
  const dog = (current = new Dog());
  for (const { number, target } of entries) {
    if (target !== undefined) dog.tell(`+ ${number} ${target}`);
  }
  return dog;
});

/**
 * Announces a process that is to be started. What follows is not cut: it takes no longer than an answer.
 *
 * @throws {Error} If no watchdog can be started.
 */
export async function announce(): Promise<Watched> {
  const entry: Entry = { number: nextNumber++, target: undefined };
  for (let attempt = 1; ; attempt++) {
    const dog = theDog();
    if (await dog.announce(entry.number)) return watched(entry, dog);
    if (attempt === attempts) throw new Error(whyNot(dog.lost));
  }
}

function watched(entry: Entry, dog: Dog): Watched {
  entries.add(entry);
  return {
    mark: `${dog.mark}-${entry.number}.`,
    started(target) {
      const now = theDog();
      entry.target = target; // only now: a new one is told of all that have one
      now.tell(`+ ${entry.number} ${target}`);
    },
    over() {
      entries.delete(entry);
      current?.tell(`- ${entry.number} ${entry.target ?? 0}`);
    },
  };
}

function whyNot(why: Error | undefined): string {
  return `the watchdog, a /bin/sh that ends processes when this program is killed, does not run: ${brief(why)}`;
}
