/** Cannot be cancelled: a task waits for a promise that never settles, in a process that something else keeps alive. */
import { runMain, shield, sleepForever, withTaskGroup } from "tasktree";

export default function main(): Promise<void> {
  return withTaskGroup((group) => {
    group.spawn(() => new Promise(() => {}), { name: "deaf" });
    group.spawn(() => shield(sleepForever, { timeout: Infinity }), { name: "shielded" });
    group.spawn(() => sleepForever().finally(() => console.log("obedient cancelled")), { name: "obedient" });
    console.log("ready");
  });
}

process.on("exit", (code) => console.log(`exit ${code}`));
setInterval(() => {}, 1000);
if (import.meta.main) void runMain(main, { grace: Number(process.argv[2] ?? 60_000) });
