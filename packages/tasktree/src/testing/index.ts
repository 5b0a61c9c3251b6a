/** The door for tests. */
export { explore, type Exploration, type ExploreOptions } from "./explore/explore.ts";
export { failpoint } from "./explore/injections.ts";
export { tracked } from "./explore/tracked.ts";
export { InjectedError, LostUpdateError, ScheduleError } from "../errors.ts";
export { VirtualClock, type VirtualClockOptions } from "./virtual-clock.ts";
export { runVirtual, type RunVirtualOptions } from "./run-virtual.ts";
export { Sequencer, type SequencerOptions, type SequencerStatistics } from "./sequencer.ts";
export { withLeakCheck } from "./leaks.ts";
export { LeakError } from "../errors.ts";
export { waitAllTasksBlocked } from "./wait-all-tasks-blocked.ts";
export { SimulatedNetwork, type NetworkStatistics } from "./network/simulated-network.ts";
export type { Latency, SimulatedNetworkOptions } from "./network/conditions.ts";
export type { NetworkHost } from "./network/network-host.ts";
export type { ListenOptions, NetworkListener } from "./network/network-listener.ts";
