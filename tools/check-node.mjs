// Plain JavaScript, so that an old Node can run it and say what is wrong.
const major = Number(process.versions.node.split(".")[0]);
if (major < 24) {
  console.error(`tasktree needs Node 24 or newer, this is ${process.version} (${process.execPath})`);
  console.error(
    "Run `npm ci`: it installs the pinned Node for npm scripts (not with --omit=optional). Else put a newer Node on the PATH",
  );
  process.exit(1);
}
