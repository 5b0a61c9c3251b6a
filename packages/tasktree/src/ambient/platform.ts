/** Makes functions that obey the scope around out of the platform's. */
import { promisify } from "node:util";
import { isInScope } from "../lowlevel.ts";

/** A function of the platform, bound to what it belongs to. */
export type Real = (...args: unknown[]) => unknown;

/** What a call inside of a scope does in place of `real(...args)`. */
export type Ambient = (real: Real, args: unknown[]) => unknown;

/** Functions of `owner` by their names. */
export interface Family<T extends object = object> {
  readonly owner: T;
  readonly functions: Readonly<Record<string, Ambient>>;
  /** What `promisify` gives for them, where the platform has a form of its own for that. */
  readonly promisified?: Readonly<Record<string, Ambient>>;
}

type Any = Real & { [promisify.custom]?: Real };

/** What a function put in the platform's place stands for. */
const originals = new WeakMap<Real, Any>();

/** `owner`, with the functions that obey in front of its own. */
export function imported<T extends object>({ owner, functions, promisified = {} }: Family<T>): T {
  const members = Object.keys(functions).map((name) => {
    const current = (): Any => {
      const now = (owner as Record<string, Any>)[name]!;
      return originals.get(now) ?? now;
    };
    const value = obeying(name, current, owner, functions[name]!, isInScope);
    addPromisified(value, current, promisified[name], isInScope);
    return [name, { value, enumerable: true, writable: true, configurable: true }] as const;
  });
  return Object.create(owner, Object.fromEntries(members)) as T;
}

/** What to put in the place of `owner[name]`; passes everything on while `active` is false. */
export function replacement({ owner, functions, promisified }: Family, name: string, active: () => boolean): unknown {
  const real = (owner as Record<string, Any>)[name]!;
  const obeys = (): boolean => active() && isInScope();
  const value = obeying(name, () => real, owner, functions[name]!, obeys);
  addPromisified(value, () => real, promisified?.[name], obeys);
  originals.set(value, real);
  return value;
}

function obeying(name: string, real: () => Real, owner: object, ambient: Ambient, obeys: () => boolean): Real {
  const value = {
    [name](...args: unknown[]): unknown {
      if (!obeys()) return Reflect.apply(real(), owner, args);
      return ambient((...filled) => Reflect.apply(real(), owner, filled), args);
    },
  }[name]!;
  return value;
}

function addPromisified(value: Real, real: () => Any, ambient: Ambient | undefined, obeys: () => boolean): void {
  if (ambient === undefined) return;
  const promised = obeying(value.name, () => real()[promisify.custom]!, globalThis, ambient, obeys);
  Object.defineProperty(value, promisify.custom, { value: promised });
}
