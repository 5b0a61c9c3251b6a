export const usage = `Usage: tasktree run FILE [options] [-- arguments]

Runs the default export of FILE, a function in TypeScript or JavaScript, as the first task of a tree. It is called with
the arguments as an array; a whole number that it returns is the exit code.

  --debug      where tasks were spawned and where they wait, in every report; what is suspicious, on the console
  --grace MS   how long tasks may clean up after a cancellation (default 5000)
  --drain MS   how long the tree may drain after SIGINT or SIGTERM before it is cancelled (default 0)

Exit codes: 0 done, 1 failed, 2 wrong usage, 70 deadlock, 128+n after signal n.`;

/** The command line is wrong. */
export class UsageError extends Error {}
