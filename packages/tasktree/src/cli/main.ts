#!/usr/bin/env node
import { runCommand } from "./run-command.ts";
import { usage, UsageError } from "./usage.ts";

const [command, ...rest] = process.argv.slice(2);

// No top-level await: a pending one would end the process before a deadlock can be reported.
void dispatch();

async function dispatch(): Promise<void> {
  try {
    if (command === "run") await runCommand(rest);
    else if (command === "--help" || command === "-h" || command === "help") console.log(usage);
    else throw new UsageError(command === undefined ? "Wanted a command" : `Unknown command "${command}"`);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\n\n${usage}`);
    process.exitCode = 2;
  }
}
