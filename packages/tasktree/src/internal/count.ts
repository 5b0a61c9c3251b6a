/** Whether `value` is a whole number from `least`, or Infinity. */
export function isCount(value: unknown, least: number): value is number {
  return value === Infinity || (Number.isInteger(value) && (value as number) >= least);
}
