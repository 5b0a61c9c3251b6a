/** `Date` of which `new Date()`, `Date()` and `Date.now()` are asked of `time`, where that gives one. */
export function virtualDate(real: DateConstructor, time: () => number | undefined): DateConstructor {
  const date: DateConstructor = new Proxy(real, {
    construct(target, args, newTarget) {
      const now = args.length === 0 ? time() : undefined;
      return Reflect.construct(target, now === undefined ? args : [now], newTarget === date ? target : newTarget);
    },
    apply(target, self, args) {
      const now = time();
      return now === undefined ? Reflect.apply(target, self, args) : new target(now).toString();
    },
  });
  return date;
}
