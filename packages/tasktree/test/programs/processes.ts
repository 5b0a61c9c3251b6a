/** Opens processes, to be cancelled or killed meanwhile: `processes.ts HOW MARK`, where MARK is what `sleep` is told. */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { runMain, sleepForever } from "tasktree";
import { openProcess } from "tasktree/process";
import { announce, markVariable } from "../../src/process/watchdog.ts";

const [how, mark = "1000"] = process.argv.slice(2);

async function sleeping(): Promise<void> {
  await using shell = await openProcess("sh", ["-c", `sleep ${mark} & sleep ${mark}; :`]);
  console.log(`ready ${shell.pid}`);
  if (how === "exits") process.exit(3);
  await sleepForever();
}

/** Does not end at TERM, so that it is alive when the exit is forced. */
async function stubborn(): Promise<void> {
  await using shell = await openProcess("sh", ["-c", `trap '' TERM; echo; sleep ${mark}; sleep ${mark}`], {
    grace: 100_000,
  });
  await shell.stdout.read();
  for (const pid of watchdogs()) process.kill(pid, "SIGSTOP");
  console.log(`ready ${watchdogs().join(" ")}`);
  try {
    await sleepForever();
  } finally {
    console.log("cancelled");
  }
}

/** As if we were killed between the start of a process and the line that tells of it. */
async function untold(): Promise<void> {
  const watched = await announce();
  spawn("sleep", [mark], { detached: true, stdio: "ignore", env: { ...process.env, [markVariable]: watched.mark } });
  console.log("ready");
  await sleepForever();
}

async function inALoop(): Promise<void> {
  console.log("ready");
  while (true) {
    await using _process = await openProcess("sleep", [mark]);
  }
}

/** Has closed what it opened: nothing holds it up. */
async function done(): Promise<void> {
  await using echo = await openProcess("echo", ["printed by a child"], { stdout: "inherit" });
  await echo.wait();
}

/** The watchdog is hit by signals that end others, then killed. */
async function attacked(): Promise<void> {
  await using _shell = await openProcess("sleep", [mark]);
  const first = watchdogs();
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.kill(first[0]!, signal);
  await using _other = await openProcess("sleep", [mark]);
  if (String(watchdogs()) !== String(first)) throw new Error("a signal has ended the watchdog");
  process.kill(first[0]!, "SIGKILL");
  while (["", String(first)].includes(String(watchdogs()))) await new Promise((resolve) => setTimeout(resolve, 10));
  console.log("ready");
  await sleepForever();
}

function watchdogs(): number[] {
  return readdirSync("/proc").map(Number).filter(isOurs);
}

function isOurs(pid: number): boolean {
  try {
    const [state, parent] = readFileSync(`/proc/${pid}/stat`, "latin1")
      .replace(/^.*\) /s, "")
      .split(" ");
    const isWatchdog = readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("tasktree-watchdog");
    return Number(parent) === process.pid && state !== "Z" && isWatchdog;
  } catch {
    return false;
  }
}

const mains: Record<string, () => Promise<void>> = { stubborn, untold, done, loop: inALoop, attacked };
const main = mains[how!] ?? sleeping;
if (how === "without run") await main();
else void runMain(main);
