/** Processes that belong to the task tree. */
export { openProcess, type OpenProcessOptions, type ProcessStdio } from "./open-process.ts";
export type { Process, ProcessExit, ProcessStatistics, SignalName } from "./process.ts";
export { runProcess, type ProcessResult, type RunProcessOptions } from "./run-process.ts";
