import { globSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { renderPage } from "./render.ts";

const repository: string = join(import.meta.dirname, "../../..");
const documents = ["*.md", "docs/**/*.md", "packages/*/README.md", "examples/*/README.md"];

/** What the site sends for one address. */
export type Document = { type: string; body: string | Uint8Array } | { redirect: string };

/** The page that leads to all others. */
export function contents(): Document {
  const paths = globSync(documents, { cwd: repository, exclude: ["**/node_modules/**"] }).sort();
  const list = paths.map((path) => path.replaceAll("\\", "/")).map((path) => `- [${path}](/${path})`);
  return page("tasktree", `# tasktree\n\n${list.join("\n")}\n\nFor the checker: [trouble](/trouble/)`);
}

/**
 * A file of the repository: Markdown as a page, anything else as plain text. For a folder its README, or else the names
 * in it. `undefined` if there is no such file, or if it is nobody's business.
 */
export async function documentAt(path: string): Promise<Document | undefined> {
  const names = path.split("/").filter((name) => name !== "");
  if (names.some(isPrivate)) return undefined;
  const file = join(repository, ...names);
  const found = await stat(file).catch(() => undefined);
  if (found?.isDirectory()) {
    if (!path.endsWith("/")) return { redirect: `${path}/` }; // links on the page count from the folder
    return (await documentAt(`${path}README.md`)) ?? page(path, await listing(file));
  }
  if (!found?.isFile()) return undefined;
  const body = await readFile(file);
  return path.endsWith(".md") ? page(path, body.toString()) : { type: "text/plain; charset=utf-8", body };
}

function isPrivate(name: string): boolean {
  return name.startsWith(".") || name.includes("\\") || name === "node_modules";
}

/** Markdown that lies beside this program. */
export async function ownPage(name: string): Promise<Document> {
  return page(name, await readFile(join(import.meta.dirname, "pages", `${name}.md`), "utf8"));
}

function page(title: string, markdown: string): Document {
  return { type: "text/html; charset=utf-8", body: renderPage(title, markdown) };
}

async function listing(folder: string): Promise<string> {
  const names = await readdir(folder);
  return names
    .filter((name) => !isPrivate(name))
    .map((name) => `- \`${name}\`\n`)
    .join("");
}
