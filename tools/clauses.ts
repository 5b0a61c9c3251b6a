/**
 * The clauses of the rules in DESIGN.md that tests name: a rule's id and a small letter → what it says, in one line.
 * `npm run check -- rules` wants each in the name of a test; `npm run mutate:rules` shows that such a test can fail.
 */
export const clauses: Record<string, string> = {};
