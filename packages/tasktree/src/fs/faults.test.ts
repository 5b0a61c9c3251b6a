/** Faults of the system under files, and cancellations at any moment. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { program, runFile } from "../../test/child.ts";
import { inFolder, openIn, until } from "../../test/files.ts";
import { needs, proc, root } from "../../test/needs.ts";
import { randomFrom } from "../../test/random.ts";
import { skipOn } from "../../test/runtime.ts";
import { all, run, sleepForever, withCancelScope } from "../index.ts";
import { fileLimiter, openFile, readFile, readText, tempDirectory, tempFile, walk, writeFileAtomic } from "./index.ts";

function mounting(): string | undefined {
  try {
    execFileSync("unshare", ["--mount", "mount", "-t", "tmpfs", "none", "/mnt"], { stdio: "ignore" });
    return undefined;
  } catch {
    return "needs to mount a tmpfs: run it as root, with CAP_SYS_ADMIN";
  }
}

const large = Buffer.alloc(100_000, "x");

async function withSmallDisk(folder: string, use: (disk: string) => Promise<void>): Promise<void> {
  const disk = join(folder, "disk");
  mkdirSync(disk);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]);
  try {
    await use(disk);
  } finally {
    execFileSync("umount", [disk]);
  }
}

test(
  "On a disk that is full writing fails, the old content stays, and nothing is left beside it",
  needs(proc, root ?? mounting()),
  inFolder(async (folder) => {
    await withSmallDisk(folder, async (disk) => {
      const file = join(disk, "file");
      await writeFileAtomic(file, "old");
      await assert.rejects(writeFileAtomic(file, large), { code: "ENOSPC" });
      await assert.rejects(writeFileAtomic(file, [large.subarray(0, 10_000), large]), { code: "ENOSPC" });
      assert.deepEqual([readdirSync(disk), readFileSync(file, "utf8")], [["file"], "old"]);
      {
        await using scratch = await tempFile({ directory: disk });
        await assert.rejects(scratch.write(large), { code: "ENOSPC" });
      }
      assert.deepEqual(readdirSync(disk), ["file"]);
      assert.equal(openIn(disk), 0);
    });
  }),
);

test(
  "On a disk that is full bytesWritten tells how much it has taken, and writing goes on when there is room",
  { ...needs(proc, root ?? mounting()), ...skipOn({ deno: "does not tell what was written before it failed" }) },
  inFolder(async (folder) => {
    await withSmallDisk(folder, async (disk) => {
      await using log = await openFile(join(disk, "log"), "w+");
      await assert.rejects(log.write(large), { code: "ENOSPC" });
      assert.ok(log.bytesWritten > 0 && log.bytesWritten <= 65_536, String(log.bytesWritten));
      assert.equal((await log.handle.stat()).size, log.bytesWritten);
      await log.handle.truncate(0);
      const full = log.bytesWritten;
      await log.write(Buffer.from("z"));
      assert.deepEqual(Buffer.from((await log.readAt(full - 2))!), Buffer.from("\0\0z"));
    });
  }),
);

test(
  "Who may not is told so by each call",
  needs(root),
  inFolder(async (folder) => {
    writeFileSync(join(folder, "secret"), "old", { mode: 0o600 });
    mkdirSync(join(folder, "closed"), { mode: 0o700 });
    chmodSync(folder, 0o755);
    await using cache = await tempDirectory();
    chmodSync(cache.path, 0o777);
    const { stdout, stderr } = await runFile(program("denied.ts"), [folder], {
      uid: 65_534,
      env: { HOME: folder, DENO_DIR: cache.path },
    });
    assert.deepEqual(
      JSON.parse(stdout || stderr),
      {
        read: "EACCES",
        open: "EACCES",
        atomic: "EACCES",
        temp: "EACCES",
        walk: "EACCES",
        passedOver: [join(folder, "closed"), "closed", "secret"],
      },
      stderr,
    );
    assert.equal(readFileSync(join(folder, "secret"), "utf8"), "old");
  }),
);

test(
  "After a thousand cancellations at any moment nothing is open, nothing lies about, and no turn is taken",
  needs(proc),
  inFolder(async (folder) => {
    const random = randomFrom(3);
    mkdirSync(join(folder, "tree/a/b"), { recursive: true });
    const file = join(folder, "tree/a/file");
    writeFileSync(file, "line\n".repeat(50_000));
    const atomic = join(folder, "atomic");
    const contents = ["old", "new ".repeat(50_000)];
    writeFileSync(atomic, "old");

    const jobs: (() => Promise<unknown>)[] = [
      () => readFile(file),
      async () => {
        await using opened = await openFile(file, "r+");
        for await (const line of opened.lines()) assert.equal(line, "line");
      },
      async () => {
        await using opened = await openFile(join(folder, "log"), "a");
        for (let count = 0; count < 5; count++) await opened.write(Buffer.alloc(1000));
        await opened.sync();
      },
      () => writeFileAtomic(atomic, contents[1]!, { sync: random(2) === 0 }),
      () => writeFileAtomic(atomic, [contents[1]!.slice(0, 100_000), contents[1]!.slice(100_000)], { sync: false }),
      async () => {
        await using scratch = await tempFile({ directory: folder });
        await scratch.write(Buffer.alloc(1000));
        await sleepForever();
      },
      async () => {
        await using scratch = await tempDirectory({ directory: folder });
        await using inside = await openFile(join(scratch.path, "x"), "w");
        await inside.write(Buffer.alloc(1000));
        await sleepForever();
      },
      async () => {
        for await (const { path, kind } of walk(join(folder, "tree"))) if (kind === "file") await readFile(path);
      },
    ];
    let cut = 0;
    const one = (number: number) => async () => {
      await withCancelScope(async (scope) => {
        setTimeout(() => scope.cancel(), random(8));
        await jobs[number % jobs.length]!();
        await sleepForever();
      });
      cut++;
    };
    await run(
      () =>
        all(
          Array.from({ length: 1000 }, (_, number) => one(number)),
          { limit: 20 },
        ),
      { host: false },
    );
    assert.equal(cut, 1000);
    await until(() => fileLimiter.borrowed === 0, "all calls are over");
    await until(() => openIn(folder) === 0, "all is closed");
    await until(() => !readdirSync(folder).some((name) => name.includes("tasktree")), "all is removed");
    assert.deepEqual(fileLimiter.statistics(), { total: 64, borrowed: 0, waiting: 0 });
    assert.deepEqual(readdirSync(folder).toSorted(), ["atomic", "log", "tree"]);
    assert.ok(contents.includes(await readText(atomic)));
  }),
);
