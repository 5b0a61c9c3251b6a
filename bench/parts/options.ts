/** What the parts need to know of the command line. */
export type Options = { rounds: number; quick: boolean; dist: boolean };
