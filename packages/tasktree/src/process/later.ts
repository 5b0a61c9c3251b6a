import { bound } from "../lowlevel.ts";

/** A timer of real time, also in a run whose platform follows a clock of its own: processes do not. */
export const later: (call: () => void, ms: number) => NodeJS.Timeout = bound((call, ms) => setTimeout(call, ms));
