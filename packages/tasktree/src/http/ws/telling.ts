/** Errors that tell no more than that the other side of a connection has gone: to its handler that is no failure. */
import { isObject, suppress, suppressedErrors } from "../../errors.ts";
import { isCancellationHere } from "../../lowlevel.ts";

/** Which connection's end an error tells. */
const toldBy = new WeakMap<object, object>();

/** Marks `error` as one that tells of the end of `connection`. */
export function telling<E extends Error>(error: E, connection: object): E {
  toldBy.set(error, connection);
  return error;
}

/**
 * What `error` tells beyond that `connection` has ended: the first such failure in it, with the others suppressed on that. Compound
 * errors, and suppressed ones, tell what their parts do (as rules C6 and K4); an error of somebody's own is a failure, whatever its
 * cause.
 */
export function failureBeside(error: unknown, connection: object): { readonly error: unknown } | undefined {
  const failures = [...new Set(failuresIn(error, connection, 0))];
  const [first, ...others] = failures;
  if (failures.length < 2) return failures.length === 0 ? undefined : { error: first };
  if (!isObject(first)) return { error: new AggregateError(failures, `${failures.length} failures`) };
  for (const other of others) suppress(first, other);
  return { error: first };
}

const deepest = 8;

function failuresIn(error: unknown, connection: object, nesting: number): unknown[] {
  const all = (errors: readonly unknown[]): unknown[] =>
    errors.flatMap((one) => failuresIn(one, connection, nesting + 1));
  if (nesting >= deepest) return [error];
  if (isObject(error) && toldBy.get(error) === connection) return all(suppressedErrors(error));
  if (isCancellationHere(error)) return [];
  const parts = partsOf(error);
  const failures = all(parts);
  const isMixed = parts.some((part) => all([part]).length === 0);
  return isMixed ? [...failures, ...all(suppressedErrors(error))] : [error];
}

function partsOf(error: unknown): readonly unknown[] {
  if (error instanceof SuppressedError) return [error.error as unknown, error.suppressed as unknown];
  return error instanceof AggregateError ? error.errors : [];
}
