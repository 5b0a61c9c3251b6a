/** A fault planted in a primitive, and the program of the proof that catches it. */
export interface Fault {
  /** What is wrong. */
  readonly name: string;
  /** In packages/tasktree/src. */
  readonly file: string;
  /** Occurs once. */
  readonly find: string;
  readonly replace: string;
  /** A second place in the same file. */
  readonly also?: { readonly find: string; readonly replace: string };
  readonly program: string;
}
