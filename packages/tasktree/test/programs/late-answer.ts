/** A module to import late. */
export const answer: number = await Promise.resolve(42);
