/** Replaces a file again and again, with one letter or the other, until it is killed. */
import { writeFileAtomic } from "tasktree/fs";

const file = process.argv[2]!;
for (let count = 1; ; count++) {
  await writeFileAtomic(file, (count % 2 === 0 ? "a" : "b").repeat(300_000));
  console.log(`replaced ${count}`);
}
