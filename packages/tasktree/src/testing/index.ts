/** The door for tests. */
export { VirtualClock, type VirtualClockOptions } from "./virtual-clock.ts";
export { waitAllTasksBlocked } from "./wait-all-tasks-blocked.ts";
