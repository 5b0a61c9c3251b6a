/**
 * Small wrong changes of the source, each against one clause: `npm run mutate:rules` shows that a test named after the
 * clause turns red. `find` must occur exactly once in the file.
 */
export interface Mutation {
  readonly clause: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export const mutations: readonly Mutation[] = [];
