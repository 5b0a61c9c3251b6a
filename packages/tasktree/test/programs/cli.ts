/** For `tasktree run`: does what its first argument says. */
import { currentScope, currentTask, shield, sleep, sleepForever, withTaskGroup } from "tasktree";

export default async function main([what = "nothing", ...args]: readonly string[]): Promise<unknown> {
  switch (what) {
    case "echo":
      console.log(JSON.stringify({ args, task: currentTask()?.name }));
      return undefined;
    case "return":
      return JSON.parse(args[0]!) as unknown;
    case "exitCode":
      process.exitCode = Number(args[0]);
      if (args[1] === "throw") throw new Error("failed all the same");
      return args[1] === undefined ? undefined : Number(args[1]);
    case "fail":
      return await withTaskGroup((group) => {
        group.spawn(() => failAfterSleep(1, new Error("the first", { cause: new Error("the cause") })));
        group.spawn(() => shield(() => failAfterSleep(5, new Error("the second")), { timeout: 100 }));
      });
    case "fail with no error":
      throw "a string";
    case "wait":
      console.log("ready");
      try {
        return await sleepForever();
      } finally {
        await sleep(10);
        console.log("cleaned");
      }
    case "drain": {
      const server = setInterval(() => {}, 1000);
      console.log("ready");
      await currentScope().waitDraining();
      await sleep(10);
      console.log("drained");
      clearInterval(server);
      return 3;
    }
    default:
      return undefined;
  }
}

async function failAfterSleep(ms: number, error: Error): Promise<never> {
  await sleep(ms);
  throw error;
}
