/** Writes a `Response` to a client. */
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from "node:http";
import { brief } from "../../errors.ts";
import { partsOfReply, type ReplyParts } from "./reply.ts";
import { bytesOf, cancelBody, flush, pump, sendBytes, type Reader, type Stall } from "./body-pump.ts";

/** How long the connection lasts, and what the body looks like on it, is for this side to say. */
const ofTheConnection = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Answers with what a handler has returned; resolves when the client has got it, as far as this side can know. */
export async function send(
  value: unknown,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  stall: Stall,
): Promise<void> {
  const whole = partsOfReply(value);
  if (whole !== undefined) return sendWhole(value as Response, whole, incoming, outgoing, stall);
  const response = checked(value);
  const { status, body } = response;
  const isEmpty = body === null || incoming.method === "HEAD" || status === 204 || status === 304;
  if (outgoing.writableEnded || outgoing.destroyed || isEmpty) {
    if (!outgoing.writableEnded && !outgoing.destroyed) sendEmpty(response, incoming, outgoing);
    if (body) await cancelBody(body, undefined);
  } else {
    await sendBody(response, body.getReader(), outgoing, stall);
  }
}

/** What is there as a whole needs no stream. */
async function sendWhole(
  response: Response,
  { body, type, headers }: ReplyParts,
  { method }: IncomingMessage,
  outgoing: ServerResponse,
  stall: Stall,
): Promise<void> {
  if (outgoing.writableEnded || outgoing.destroyed) return;
  const raw = headers === undefined ? (type === undefined ? [] : ["content-type", type]) : rawHeaders(headers);
  addLength(raw, Buffer.byteLength(body), method);
  writeHead(response, raw, outgoing);
  if (method === "HEAD") outgoing.end();
  else if (typeof body === "string" && body.length <= longestInOnePiece) outgoing.end(body);
  else return finish(typeof body === "string" ? Buffer.from(body) : body, outgoing, stall);
  if (!isGone(outgoing)) await flush(outgoing, stall);
}

function sendEmpty(response: Response, { method }: IncomingMessage, outgoing: ServerResponse): void {
  const { status, body } = response;
  // A length must not stand in a 204 (RFC 9110, section 8.6).
  const headers = rawHeaders(response.headers, status === 204 ? "content-length" : undefined);
  const isOfNone = method !== "HEAD" && status !== 304;
  if (isOfNone && status !== 204 && body === null) add(headers, "content-length", "0");
  checkLength(headers, isOfNone);
  writeHead(response, headers, outgoing);
  outgoing.end();
}

/** Not by Node's `strictContentLength`, with which it writes twice for each answer. */
function addLength(headers: string[], length: number, method = "GET"): void {
  const said = valueOf("content-length", headers);
  if (said === undefined) headers.push("content-length", String(length));
  else if (said !== String(length) && method !== "HEAD")
    throw new TypeError(`Cannot answer with content-length ${brief(said)}: the body has ${length} bytes`);
}

/** Node sends what it is given where no body comes after it; the client would take the next answer for the body. */
function checkLength(headers: readonly string[], isOfNone: boolean): void {
  const length = valueOf("content-length", headers);
  if (length === undefined || (isOfNone ? length === "0" : /^\d+$/.test(length))) return;
  const wanted = isOfNone ? "0, since there is no body" : "a number of bytes";
  throw new TypeError(`Cannot answer with content-length ${brief(length)}: wanted ${wanted}`);
}

/** A short body is there in a moment: it goes out in one piece, with its length. */
async function sendBody(response: Response, reader: Reader, outgoing: ServerResponse, stall: Stall): Promise<void> {
  const headers = rawHeaders(response.headers);
  const first = reader.read();
  const start = await soon(first);
  if (start === undefined || start.done) return sendStream();
  const second = reader.read();
  const end = await soon(second);
  if (end?.done !== true) return sendStream(second);
  const chunk = bytesOf(start.value);
  addLength(headers, chunk.length);
  writeHead(response, headers, outgoing);
  return finish(chunk, outgoing, stall);

  function sendStream(...more: ReturnType<Reader["read"]>[]): Promise<void> {
    outgoing.strictContentLength = true;
    writeHead(response, headers, outgoing);
    outgoing.flushHeaders();
    return pump(reader, [first, ...more], outgoing, stall);
  }
}

/** Node sends headers and a string in one piece, but an array as a second one, which costs as much again as the whole request. */
const longestInOnePiece = 16_384;

async function finish(chunk: Uint8Array, outgoing: ServerResponse, stall: Stall): Promise<void> {
  if (chunk.length > longestInOnePiece) return sendBytes(chunk, outgoing, stall);
  outgoing.end(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString("latin1"), "latin1");
  if (!isGone(outgoing)) await flush(outgoing, stall);
}

/** Whether the system has all of it: Node tells that by an event too, but later. */
function isGone(outgoing: ServerResponse): boolean {
  return outgoing.socket !== null && outgoing.writableLength === 0;
}

const moment = Promise.resolve();

/** What a promise has come to within the next few microtasks. */
async function soon<T>(promise: Promise<T>): Promise<T | undefined> {
  let value: T | undefined;
  promise.then((settled) => (value = settled), ignore);
  for (let turn = 0; turn < 3 && value === undefined; turn++) await moment;
  return value;
}

/** Short text in place of what a handler would have said. */
export function refuse(outgoing: ServerResponse, status: number, headers: readonly string[] = []): void {
  const reason = STATUS_CODES[status]!;
  const text = `${reason}\n`;
  const type = "text/plain; charset=utf-8";
  // Node keeps what was said before, though it has thrown then.
  outgoing.writeHead(status, reason, ["content-type", type, "content-length", String(text.length), ...headers]);
  outgoing.end(text);
}

function writeHead({ status, statusText }: Response, headers: string[], outgoing: ServerResponse): void {
  if (statusText === "") outgoing.writeHead(status, headers);
  else outgoing.writeHead(status, statusText, headers);
}

/** Name after value; those that stand there several times, as `set-cookie`, do so again. */
function rawHeaders(headers: Headers, without?: string): string[] {
  const raw: string[] = [];
  headers.forEach((value, name) => {
    if (name !== without && !ofTheConnection.has(name)) raw.push(name, value);
  });
  return raw;
}

function add(headers: string[], name: string, value: string): void {
  if (valueOf(name, headers) === undefined) headers.push(name, value);
}

function valueOf(name: string, headers: readonly string[]): string | undefined {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1];
  return undefined;
}

/** A `Response` of another library will do. */
function checked(value: unknown): Response {
  const { status, headers, body, bodyUsed } = (value ?? {}) as Partial<Response>;
  if (typeof status !== "number" || typeof headers?.forEach !== "function")
    throw new TypeError(`Cannot answer with ${brief(value)}: wanted a Response`);
  if (status < 200) throw new TypeError(`Cannot answer with status ${status}: wanted one from 200`);
  if (bodyUsed === true) throw new TypeError("Cannot answer with a response whose body was read already");
  if (body?.locked === true) throw new TypeError("Cannot answer with a response whose body somebody else reads");
  return value as Response;
}

function ignore(): void {}
