import assert from "node:assert/strict";
import { createReadStream, createWriteStream } from "node:fs";
import { access, appendFile, mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pipeline } from "node:stream/promises";
import { describe, test } from "node:test";
import { createGunzip, createGzip } from "node:zlib";
import { everyWayOfIo } from "./every-way.ts";

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "tasktree-compat-"));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const lines = Array.from({ length: 500 }, (_, n) => `line ${n}`);

describe("node:fs/promises under the await hook", () => {
  test(
    "files are written, appended to and read, several at a time",
    everyWayOfIo(() =>
      withFolder(async (folder) => {
        const one = async (name: string) => {
          const file = join(folder, name);
          await writeFile(file, name);
          await appendFile(file, "!");
          return await readFile(file, "utf8");
        };
        assert.deepEqual(await Promise.all(["a", "b", "c"].map(one)), ["a!", "b!", "c!"]);
        assert.equal((await stat(join(folder, "a"))).size, 2);
        await assert.rejects(readFile(join(folder, "none")), { code: "ENOENT" });
        await assert.rejects(access(join(folder, "none")), { code: "ENOENT" });
      }),
    ),
  );

  test(
    "folders are made, listed and removed",
    everyWayOfIo(() =>
      withFolder(async (folder) => {
        await mkdir(join(folder, "a/b/c"), { recursive: true });
        await Promise.all(["x", "y"].map((name) => writeFile(join(folder, "a", name), "")));
        assert.deepEqual((await readdir(join(folder, "a"))).toSorted(), ["b", "x", "y"]);
        await rm(join(folder, "a/b"), { recursive: true });
        assert.deepEqual((await readdir(join(folder, "a"))).toSorted(), ["x", "y"]);
        await assert.rejects(mkdir(join(folder, "a")), { code: "EEXIST" });
      }),
    ),
  );

  test(
    "a file handle reads at places, and lines one by one, and is closed at the end of its block",
    everyWayOfIo(() =>
      withFolder(async (folder) => {
        const file = join(folder, "lines");
        await writeFile(file, lines.join("\n"));
        await using handle = await open(file);
        const { bytesRead, buffer } = await handle.read(Buffer.alloc(4), 0, 4, 0);
        assert.equal(buffer.toString("utf8", 0, bytesRead), "line");
        const read: string[] = [];
        for await (const line of createInterface({ input: createReadStream(file) })) read.push(line);
        assert.deepEqual(read, lines);
      }),
    ),
  );

  test(
    "a pipeline packs a file and unpacks it",
    everyWayOfIo(() =>
      withFolder(async (folder) => {
        const [plain, packed] = [join(folder, "plain"), join(folder, "packed")];
        await writeFile(plain, lines.join("\n"));
        await pipeline(createReadStream(plain), createGzip(), createWriteStream(packed));
        let text = "";
        await pipeline(createReadStream(packed), createGunzip(), async (chunks: AsyncIterable<Buffer>) => {
          for await (const chunk of chunks) text += chunk.toString();
        });
        assert.equal(text, lines.join("\n"));
        await assert.rejects(pipeline(createReadStream(plain), createGunzip(), createWriteStream(packed)), {
          code: "Z_DATA_ERROR",
        });
      }),
    ),
  );
});
