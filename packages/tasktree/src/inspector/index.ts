/** The door for looking at a running program from within. */
export { watchEventLoop, type WatchEventLoopOptions } from "./watchdog.ts";
export type { Stall } from "./stall.ts";
