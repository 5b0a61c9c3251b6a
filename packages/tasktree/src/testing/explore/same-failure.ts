/** Whether two schedules fail in the same way, as far as their errors tell; and what an error says in a line. */
import { brief, DeadlockError, InjectedError, isObject, WorkCancelledError } from "../../errors.ts";
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

/** Whether `error` is, or is caused by, what was injected. */
export function isInjected(error: unknown, cancelled: boolean, depth = 8): boolean {
  if (error instanceof InjectedError || (cancelled && error instanceof WorkCancelledError)) return true;
  if (depth === 0 || !isObject(error)) return false;
  const { cause, errors } = error as { cause?: unknown; errors?: unknown };
  if (Array.isArray(errors) && errors.length > 0) return errors.every((part) => isInjected(part, cancelled, depth - 1));
  return cause !== undefined && isInjected(cause, cancelled, depth - 1);
}
