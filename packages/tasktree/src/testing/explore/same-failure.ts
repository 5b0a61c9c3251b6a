/** Whether two schedules fail in the same way, as far as their errors tell; and what an error says in a line. */
import { brief, DeadlockError, InjectedError, WorkCancelledError } from "../../errors.ts";
import { siteIn } from "./trace.ts";

export function alike(a: unknown, b: unknown): boolean {
  return kindOf(a) === kindOf(b);
}

function kindOf(error: unknown): string {
  try {
    const { name, code, stack } = Object(error) as { name?: unknown; code?: unknown; stack?: unknown };
    const site = typeof stack === "string" ? siteIn(stack) : undefined;
    // Of deadlocks what is waited for, by whomever.
    const waits =
      error instanceof DeadlockError
        ? error.report
            .match(/waits for [^(,]*/g)
            ?.toSorted()
            .join()
        : "";
    const words = `${String(name)} ${String(code)} ${firstLine(error)} ${waits}`.replaceAll(/\d+/g, "0");
    return `${words} ${site?.file}:${site?.line}`;
  } catch {
    return "an error that cannot be read";
  }
}

/** What `error` says, without what follows in further lines. */
export function firstLine(error: unknown): string {
  try {
    const text = error instanceof Error ? `${error.name}: ${error.message}` : brief(error);
    return text.split("\n", 1)[0]!;
  } catch {
    return "an error that cannot be read";
  }
}

/** Whether `error` is what was injected. What the program has made of it is the program's: it may be an assertion's. */
export function isInjected(error: unknown, cancelled: boolean): boolean {
  return error instanceof InjectedError || (cancelled && error instanceof WorkCancelledError);
}
