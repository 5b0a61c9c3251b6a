import { fileURLToPath } from "node:url";

/** For what is built in order to be measured; ends in a slash. */
export const cacheFolder: string = fileURLToPath(new URL("../node_modules/.cache/tasktree-bench/", import.meta.url));
