import { firstValueFrom, from, lastValueFrom, map, mergeMap, race, range, reduce, timeout, timer } from "rxjs";
import type { Observable, ObservableInput } from "rxjs";
import type { Adapter, Peer } from "../lib/contract.ts";
import { packageVersion } from "../lib/version.ts";
import { generate, GENERATOR_LIMIT, LIMIT, sleepMs, step, TIMEOUT_MS } from "../scenarios/work.ts";

function sumOfAll(source: Observable<number>, fn: (i: number) => ObservableInput<number>, limit: number) {
  return lastValueFrom(
    source.pipe(
      mergeMap(fn, limit),
      reduce((sum, value) => sum + value, 0),
    ),
  );
}

// What it does at the end of each takes time in proportion to those still there: a million would take an hour.
const ready: Adapter = (n) => sumOfAll(range(0, n), step, Infinity);
const limited: Adapter = (n) => sumOfAll(range(0, n), step, LIMIT);
const asleep = (i: number): Observable<number> => timer(sleepMs(i)).pipe(map(() => i));
const sleepers: Adapter = (n) => sumOfAll(range(0, n), asleep, Infinity);

export const rxjs: Peer = {
  name: "rxjs",
  describe: () => `rxjs ${packageVersion("node_modules/rxjs")}`,
  scenarios: {
    "spawn-ready": ready,
    sleepers,
    limiter: limited,
    "limiter-million": limited,
    "map-range": limited,
    "map-generator": (n) => sumOfAll(from(generate(n)), step, GENERATOR_LIMIT),

    async timeout(n) {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += await firstValueFrom(from(step(i)).pipe(timeout(TIMEOUT_MS)));
      return sum;
    },

    async race(n) {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += await firstValueFrom(race(step(i), step(-1)));
      return sum;
    },
  },
};
