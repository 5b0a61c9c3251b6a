/** Explores the programs of a primitive. */
import { explore, type Exploration } from "../../src/testing/index.ts";
import { trial, type Scripts, type Subject } from "./trial.ts";

export interface Program {
  readonly name: string;
  /** One schedule of it. */
  readonly run: () => Promise<unknown>;
  /** "all": every schedule is tried. "many": as many as the budget gives. */
  readonly tries: "all" | "many";
  /** How many tasks are cancelled in a schedule, anywhere; default 1. */
  readonly cancellations?: number;
  /** Which tasks may be, by name; default: all but the program itself. */
  readonly cancels?: (name: string) => boolean;
  /** Whether tasks meet in nothing that the explorer does not see; default true. */
  readonly seen?: boolean;
  /** Whether it is left out where time is short. */
  readonly isLong?: boolean;
}

/** A primitive, and the programs that it is proved by. */
export interface Primitive {
  readonly name: string;
  readonly programs: readonly Program[];
}

export interface Budget {
  /** How many schedules of a program with many are tried. */
  readonly schedules: number;
  readonly seed?: number;
  /** Whether programs that take long are left out. */
  readonly isShort?: boolean;
}

/** What was done for a primitive. */
export interface Proof {
  readonly primitive: string;
  readonly programs: number;
  readonly schedules: number;
  /** Programs of which every schedule was tried, and how many were tried of each of the others. */
  readonly exhaustive: number;
  readonly sampled: readonly number[];
  readonly cancellations: number;
}

/** A program with more schedules than this must not claim that all are tried. */
const most = 50_000;

/** @throws {ScheduleError} For the first schedule that the model of the primitive does not explain. */
export async function prove({ name, programs }: Primitive, budget: Budget): Promise<Proof> {
  const explorations: (readonly [Program, Exploration])[] = [];
  const chosen = programs.filter(({ isLong }) => isLong !== true || budget.isShort !== true);
  for (const program of chosen) explorations.push([program, await exploreProgram(program, budget)]);
  const sum = (count: (exploration: Exploration) => number): number =>
    explorations.reduce((total, [, exploration]) => total + count(exploration), 0);
  return {
    primitive: name,
    programs: chosen.length,
    schedules: sum(({ schedules }) => schedules),
    exhaustive: explorations.filter(([, { exhaustive }]) => exhaustive).length,
    sampled: explorations.filter(([, { exhaustive }]) => !exhaustive).map(([, { schedules }]) => schedules),
    cancellations: sum(({ cancellations }) => cancellations),
  };
}

/** @throws {Error} If a program says that all its schedules are tried, and they are not. */
export async function exploreProgram(program: Program, { schedules, seed = 1 }: Budget): Promise<Exploration> {
  const { name, run, tries, cancellations = 1, cancels = () => true, seen = true } = program;
  const exploration = await explore(run, {
    name,
    strategy: tries === "all" ? "exhaustive" : "auto",
    schedules: tries === "all" ? most : schedules,
    seed,
    cancellations,
    cancels: (task) => task.path !== "main" && cancels(task.name),
    shares: seen ? "tracked" : "anything",
  });
  if (tries === "all" && !exploration.exhaustive && process.env["TASKTREE_REPLAY"] === undefined)
    throw new Error(`'${name}' has more than ${most} schedules`);
  return exploration;
}

/** Programs made of scripts. */
export function scripted<T>(
  primitive: string,
  subject: Subject<T>,
  programs: Readonly<Record<string, Scripts>>,
  settings: Partial<Program> = {},
): Program[] {
  return Object.entries(programs).map(([name, scripts]) => ({
    name: `${primitive}: ${name}`,
    run: () => trial(subject, scripts),
    tries: "all",
    ...settings,
  }));
}
