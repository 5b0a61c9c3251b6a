import { STATUS_CODES } from "node:http";
import { currentSignal, failAfter, isCancelled } from "tasktree";
import { PageReader, parseLink } from "./links.ts";
import type { Answer } from "./results.ts";

const headers = { "user-agent": "tasktree-crawler-example" };
const maxPageBytes = 2_000_000;

/** Asks for a page of the site and reads its links. Never throws for what a server does wrong: that is `trouble`. */
export function requestPage(url: string, timeout: number): Promise<Answer> {
  return withinTime(timeout, async () => {
    const response = await ask("GET", url);
    const answer = describe(response, url);
    if (!response.ok || !isHtml(response)) {
      await response.body?.cancel();
      return answer;
    }
    return { ...answer, ...(await readPage(response, url)) };
  });
}

/** Asks whether an address of somebody else's site is there. Some servers answer HEAD with an error, so GET decides. */
export function requestForeign(url: string, timeout: number): Promise<Answer> {
  return withinTime(timeout, async () => {
    const head = await ask("HEAD", url);
    if (head.status < 400) return describe(head, url);
    const response = await ask("GET", url);
    await response.body?.cancel();
    return describe(response, url);
  });
}

async function withinTime(timeout: number, request: () => Promise<Answer>): Promise<Answer> {
  try {
    return await failAfter(timeout, request);
  } catch (error) {
    // Being cancelled says nothing about the server: let it pass, or a page nobody waited for would count as broken.
    if (isCancelled(error)) throw error;
    return { trouble: explain(error) };
  }
}

function ask(method: string, url: string): Promise<Response> {
  // The signal of the innermost scope: it aborts at the time limit above, on Ctrl-C, and when another task fails.
  return fetch(url, { method, headers, redirect: "manual", signal: currentSignal() });
}

function describe(response: Response, url: string): Answer {
  const { status } = response;
  const answer: Answer = { status, type: response.headers.get("content-type") ?? "" };
  if (response.ok) return answer;
  const location = status < 400 ? response.headers.get("location") : null;
  const redirect = location === null ? undefined : parseLink(location, url);
  if (redirect !== undefined) return { ...answer, redirect };
  return { ...answer, trouble: `${status} ${STATUS_CODES[status] ?? ""}`.trim() };
}

function isHtml(response: Response): boolean {
  return /^(text\/html|application\/xhtml\+xml)\b/i.test(response.headers.get("content-type") ?? "");
}

async function readPage(response: Response, url: string): Promise<Answer> {
  const reader = new PageReader(url);
  const decoder = new TextDecoder();
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > maxPageBytes) return { bytes, trouble: "too large" }; // leaving the loop closes the connection
    reader.write(decoder.decode(chunk, { stream: true }));
  }
  return { bytes, content: reader.end() };
}

const explanations: Record<string, string> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection closed",
  UND_ERR_SOCKET: "connection closed",
  ENOTFOUND: "host not found",
  EAI_AGAIN: "host not found",
};

/** `fetch` throws "fetch failed" for everything; what happened is in the cause. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return "timeout";
  const cause = error.cause instanceof Error ? error.cause : error;
  const code = "code" in cause ? String(cause.code) : "";
  return explanations[code] ?? (cause.message || code);
}
