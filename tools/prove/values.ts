/** Values that nobody should pass, and some that one may. */

/** What functions, getters and thenables of the caller's throw here: nobody's fault but theirs. */
export class Boom extends Error {
  override readonly name = "Boom";
}

type Random = (below: number) => number;

/** What options are called anywhere. */
const optionNames = [
  "autoJump",
  "capacity",
  "cause",
  "clock",
  "closed",
  "count",
  "deadline",
  "default",
  "delay",
  "drainMs",
  "failures",
  "grace",
  "initial",
  "items",
  "jumpDuringIo",
  "latency",
  "leaks",
  "leaseMs",
  "limit",
  "maxAttempts",
  "mutex",
  "name",
  "now",
  "onLate",
  "onLoser",
  "onReject",
  "onStuck",
  "onTrip",
  "open",
  "order",
  "ordered",
  "parent",
  "permits",
  "platform",
  "reason",
  "schedules",
  "seed",
  "service",
  "signal",
  "size",
  "start",
  "strategy",
  "timeout",
  "total",
  "whenFull",
] as const;

const numbers = [
  NaN,
  Infinity,
  -Infinity,
  -1,
  -0,
  0,
  0.5,
  1,
  2,
  3,
  2 ** 31,
  -(2 ** 31),
  2 ** 32 + 1,
  2 ** 53,
  5e-324,
  1e308,
];

/** Each gives a new one, since some can be used up. */
const makers: readonly (() => unknown)[] = [
  () => undefined,
  () => null,
  () => true,
  () => "",
  () => "text",
  () => Symbol("symbol"),
  () => 10n,
  () => [],
  () => [1, undefined, "two"],
  () => ({}),
  () => Object.create(null) as unknown,
  () => Object.freeze({ name: "frozen" }),
  () => new Map([[1, 2]]),
  () => new Date(NaN),
  () => /x/,
  () => new Error("an error"),
  () => new AbortController().signal,
  () => AbortSignal.abort(new Boom("signal")),
  () => Promise.resolve(1),
  () => rejected(),
  () => new Promise(() => undefined),
  () => ({ then: "no function" }),
  () => ({ then: () => boom("then") }),
  () => ({ then: (_: unknown, reject: (error: unknown) => void) => reject(new Boom("reject")) }),
  () => ({ then: (resolve: (value: unknown) => void) => (resolve(1), resolve(2), boom("late")) }),
  () => ({ get then() { return boom("get then"); } }), // prettier-ignore
  () => new Proxy({}, { get: () => boom("get"), has: () => boom("has"), ownKeys: () => boom("ownKeys") }),
  () => new Proxy(() => undefined, { apply: () => boom("apply"), get: () => boom("get of a function") }),
  () => ({ [Symbol.iterator]: () => boom("iterator") }),
  () => ({ [Symbol.iterator]: () => ({ next: () => boom("next") }) }),
  () => ({ [Symbol.asyncIterator]: () => ({ next: () => rejected() }) }),
  () => ({ [Symbol.iterator]: 7, [Symbol.asyncIterator]: 7 }),
  () => ({ toString: () => boom("toString"), valueOf: () => boom("valueOf") }),
  () => () => undefined,
  () => () => boom("function"),
  () => async () => boom("async function"),
  () => async () => 1,
  () => (started: unknown) => (typeof started === "function" ? (started as (value: unknown) => void)(1) : undefined),
  () => function* () { yield 1; }, // prettier-ignore
];

export function boom(where: string): never {
  throw new Boom(where);
}

/** Rejected, and handled: what becomes of it afterwards is the caller's doing. */
function rejected(): Promise<never> {
  const promise = Promise.reject(new Boom("promise"));
  promise.catch(() => undefined);
  return promise;
}

/** A value by lots. */
export function valueFrom(random: Random, depth: number = 0): unknown {
  const kind = random(8);
  if (kind < 2) return numbers[random(numbers.length)];
  if (kind === 2 && depth < 2) return optionsFrom(random, depth);
  if (kind === 3 && depth < 2) return Array.from({ length: random(4) }, () => valueFrom(random, depth + 1));
  if (kind === 4) return random(2) === 0 ? () => 1 : async () => 2;
  return makers[random(makers.length)]!();
}

function optionsFrom(random: Random, depth: number): object {
  const options = {};
  for (let count = 1 + random(3); count > 0; count--) {
    const name = optionNames[random(optionNames.length)]!;
    const value = valueFrom(random, depth + 1);
    const how = random(8) === 0 ? { get: () => boom(`get ${name}`) } : { value };
    Object.defineProperty(options, name, { enumerable: true, configurable: true, ...how });
  }
  return options;
}

/** A value as text, whatever it is. */
export function shownValue(value: unknown, depth: number = 0): string {
  try {
    if (typeof value === "function") return String(value).slice(0, 40);
    if (typeof value !== "object" || value === null)
      return typeof value === "string" ? JSON.stringify(value) : String(value);
    if (depth > 2) return "…";
    if (Array.isArray(value)) return `[${value.map((item) => shownValue(item, depth + 1)).join(", ")}]`;
    const fields = Object.entries(Object.getOwnPropertyDescriptors(value)).map(
      ([key, { get, value }]) => `${key}: ${get === undefined ? shownValue(value, depth + 1) : "a getter that throws"}`,
    );
    const kind =
      (Object.getPrototypeOf(value) as { constructor?: { name?: string } } | null)?.constructor?.name ?? "null";
    return `${kind === "Object" ? "" : kind}{ ${fields.join(", ")} }`;
  } catch {
    return "a proxy that throws";
  }
}
