/**
 * How a deadline travels from a client to a server: as the time that is left, since their clocks differ. The value is that of
 * gRPC's `grpc-timeout` (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md): up to eight digits and a unit.
 */

/** The header that carries it, unless another is named. */
export const defaultDeadlineHeader = "x-request-timeout";

/** Milliseconds in a unit: hours, minutes, seconds, milliseconds, microseconds, nanoseconds. */
const units: ReadonlyMap<string, number> = new Map([
  ["H", 3_600_000],
  ["M", 60_000],
  ["S", 1000],
  ["m", 1],
  ["u", 0.001],
  ["n", 0.000_001],
]);

const mostDigits = 99_999_999;

/**
 * The value that says `ms`: in milliseconds, or in a longer unit where these don't fit. Rounded down, so that who hears it never
 * works for longer than he who asked waits; undefined for Infinity.
 */
export function formatTimeout(ms: number): string | undefined {
  if (ms === Infinity) return undefined;
  if (!(ms > 0)) return "0m";
  for (const unit of ["m", "S", "M", "H"]) {
    const count = Math.floor(ms / units.get(unit)!);
    if (count <= mostDigits) return `${count}${unit}`;
  }
  return undefined;
}

/** The milliseconds that a value says; undefined if it says none, and is to be passed over. */
export function parseTimeout(value: string | null | undefined): number | undefined {
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(value?.trim() ?? "") ?? [];
  return unit === undefined ? undefined : Number(digits) * units.get(unit)!;
}
