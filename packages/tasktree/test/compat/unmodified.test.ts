/** Races in code that imports nothing of tasktree: found everywhere, in the same schedule, which every runtime replays. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { explore, ScheduleError } from "../../src/testing/index.ts";
import { program, runFile } from "../child.ts";
import { checkThenAct } from "../programs/check-then-act.ts";
import { staleCache } from "../programs/stale-cache.ts";
import { skipOn } from "../runtime.ts";

interface Race {
  readonly run: () => Promise<void>;
  readonly replay: string;
  readonly schedules: number;
  readonly cause: RegExp;
}

const races: readonly Race[] = [
  { run: staleCache, replay: "staleCache@1._2.1", schedules: 7, cause: /'old' == 'new'/ },
  { run: checkThenAct, replay: "checkThenAct@1._2.1", schedules: 11, cause: /balance -60/ },
];

const repository = join(import.meta.dirname, "../../../..");
const isCi = process.env["CI"] === "true";
const isInstalled = existsSync(join(repository, "tools/runtimes/node_modules"));
const pinned = process.platform === "linux" && process.arch === "x64";
const missing =
  pinned && (isCi || isInstalled) ? false : "the pinned runtimes are not installed: node tools/runtimes.ts bun";

async function foundIn({ run }: Race): Promise<ScheduleError> {
  const error: unknown = await explore(run).catch((error: unknown) => error);
  assert.ok(error instanceof ScheduleError, String(error));
  return error;
}

function checkPicture(picture: string): void {
  const rows = picture.split("\n").filter((row) => row.includes("●"));
  assert.ok(rows.length > 0, picture);
  // Where the runtime doesn't tell the lines, none can be left out as saying nothing new.
  if (!picture.includes("goes on")) assert.ok(rows.length <= 12, picture);
}

describe("races in unmodified code", () => {
  for (const race of races) {
    test(`${race.run.name} passes by itself, is found, and shown in few lines`, async () => {
      await race.run();
      const error = await foundIn(race);
      assert.deepEqual([error.replay, error.schedules], [race.replay, race.schedules]);
      assert.match((error.cause as Error).message, race.cause);
      checkPicture(error.interleaving);
    });

    test(`${race.run.name} fails again, at once, in a process that is given its word`, async () => {
      const { stdout, stderr } = await runFile(program("replays.ts"), [race.run.name], {
        env: { TASKTREE_REPLAY: race.replay },
      });
      checkReplay(race, stdout, stderr);
    });
  }

  test(
    "the word replays on every pinned runtime",
    { skip: missing || skipOn({ bun: "one runtime starts the others", deno: "one runtime starts the others" }).skip },
    async (t) => {
      const { command } = await import("../../../../tools/command.ts");
      const { toRun } = await import("../../../../tools/runtimes.ts");
      for (const name of ["node24", "bun", "deno"] as const) {
        const [file, args] = await toRun(name);
        for (const race of races) {
          await t.test(`${name}: ${race.run.name}`, async () => {
            const env = { TASKTREE_REPLAY: race.replay };
            const replaying = [...args, program("replays.ts"), race.run.name];
            const { stdout, output } = await command(file, replaying, { env, timeout: 60_000 });
            checkReplay(race, stdout, output);
          });
        }
      }
    },
  );
});

function checkReplay({ replay, cause }: Race, stdout: string, output: string): void {
  assert.match(stdout, /^\{/, output);
  const seen = JSON.parse(stdout) as { replay: string; schedules: number; cause: string; interleaving: string };
  assert.deepEqual([seen.replay, seen.schedules], [replay, 1]);
  assert.match(seen.cause, cause);
  checkPicture(seen.interleaving);
}
