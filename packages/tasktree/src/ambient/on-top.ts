/** Lets other patches of the platform go below the ambient ones: what those add must reach what these have changed. */
type Lift = <R>(patch: () => R) => R;

let lift: Lift | undefined;

/** While something is registered: takes the ambient patches away, calls `patch`, and puts them back over what it has done. */
export function setLift(fn: Lift | undefined): void {
  lift = fn;
}

/** Calls `patch`, which puts functions in the place of the platform's or takes them back, below what is registered. */
export function belowAmbient<R>(patch: () => R): R {
  return lift === undefined ? patch() : lift(patch);
}
