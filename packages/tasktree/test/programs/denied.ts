/** Tries, as somebody who may not, what the folder named holds: prints what each attempt fails with. */
import { all } from "tasktree";
import { openFile, readFile, tempFile, walk, writeFileAtomic } from "tasktree/fs";

const folder = process.argv[2]!;
const attempts: Record<string, () => Promise<unknown>> = {
  read: () => readFile(`${folder}/secret`),
  open: () => openFile(`${folder}/secret`, "w"),
  atomic: () => writeFileAtomic(`${folder}/secret`, "mine"),
  temp: () => tempFile({ directory: folder }),
  walk: async () => {
    for await (const { name } of walk(folder)) void name;
  },
};
const codes = await all(
  Object.entries(attempts).map(([name, attempt]) => async () => {
    const code = await attempt().then(
      () => "done",
      (error: NodeJS.ErrnoException) => error.code,
    );
    return [name, code] as const;
  }),
);
const passedOver: string[] = [];
for await (const { name } of walk(folder, { onError: (_error, path) => passedOver.push(path) })) passedOver.push(name);
console.log(JSON.stringify({ ...Object.fromEntries(codes), passedOver: passedOver.toSorted() }));
