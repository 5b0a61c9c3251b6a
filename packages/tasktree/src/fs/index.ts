/** Files that obey the task tree. */
export { fileLimiter } from "./file-limiter.ts";
export { openFile, type LinesOptions, type OpenFile, type OpenFileOptions } from "./open-file.ts";
export type { FilePath } from "./paths.ts";
export { readFile, readText, type ReadFileOptions } from "./read-file.ts";
export { tempDirectory, tempFile, type TempDirectory, type TempOptions } from "./temp.ts";
export { walk, type WalkEntry, type WalkOptions } from "./walk.ts";
export { writeFileAtomic, type FileData, type WriteFileAtomicOptions } from "./write-file-atomic.ts";
