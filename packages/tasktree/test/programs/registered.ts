/** Obeys because of `--import tasktree/ambient/register`. */
import { setTimeout } from "node:timers/promises";
import { moveOnAfter } from "../../src/index.ts";
import { unregister } from "../../src/ambient/register.ts";

console.log((await moveOnAfter(20, () => setTimeout(50_000, "late"))) ?? "cut");
unregister();
console.log(await moveOnAfter(5, () => setTimeout(20, "platform's")));
