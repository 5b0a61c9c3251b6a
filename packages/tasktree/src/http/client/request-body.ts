import { brief } from "../../errors.ts";
import { bound } from "../../lowlevel.ts";
import type { ByteSource } from "../../streams/byte-stream.ts";
import type { HttpRequestOptions } from "./options.ts";

/** What is sent, and what says so. */
export interface RequestBody {
  /** The `content-type` that it has by itself. */
  readonly type: string | undefined;
  /** Bytes, which can be sent again, or pieces, which cannot. */
  readonly content: Uint8Array | AsyncIterable<Uint8Array> | undefined;
}

export const noBody: RequestBody = { type: undefined, content: undefined };

/** @throws {TypeError} If it is nothing that can be sent. */
export async function requestBody({ body, json }: HttpRequestOptions): Promise<RequestBody> {
  if (json !== undefined) return { type: "application/json", content: encode(jsonOf(json)) };
  if (body === undefined || body === null) return noBody;
  if (typeof body === "string") return { type: "text/plain;charset=UTF-8", content: encode(body) };
  if (body instanceof Uint8Array) return { type: undefined, content: body };
  if (ArrayBuffer.isView(body))
    return { type: undefined, content: new Uint8Array(body.buffer, body.byteOffset, body.byteLength) };
  if (body instanceof ArrayBuffer) return { type: undefined, content: new Uint8Array(body) };
  if (body instanceof URLSearchParams || body instanceof FormData || body instanceof Blob) return encoded(body);
  if (typeof (body as Partial<AsyncIterable<unknown>>)[Symbol.asyncIterator] === "function")
    return { type: undefined, content: inContext(body) };
  throw new TypeError(
    `Cannot send ${brief(body)}: wanted text, bytes, a form or an async iterable, or \`json\` in place of \`body\``,
  );
}

export function isReplayable({ content }: RequestBody): boolean {
  return content === undefined || content instanceof Uint8Array;
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function jsonOf(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw new TypeError(`Cannot send ${brief(value)} as JSON: JSON has no word for it`);
  return text;
}

/** As the platform encodes it. */
async function encoded(body: URLSearchParams | FormData | Blob): Promise<RequestBody> {
  const response = new Response(body);
  return {
    type: response.headers.get("content-type") ?? undefined,
    content: new Uint8Array(await response.arrayBuffer()),
  };
}

/** Pieces made where the request was: what sends them calls from a context of its own. */
function inContext(body: ByteSource | AsyncIterable<Uint8Array | string>): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]: bound((): AsyncIterator<Uint8Array> => {
      const pieces: AsyncIterator<Uint8Array | string> = body[Symbol.asyncIterator]();
      return {
        next: bound(async (): Promise<IteratorResult<Uint8Array>> => {
          const step = await pieces.next();
          return step.done === true ? { done: true, value: undefined } : { done: false, value: asBytes(step.value) };
        }),
        return: bound(async () => {
          await pieces.return?.();
          return { done: true as const, value: undefined };
        }),
      };
    }),
  };
}

function asBytes(piece: unknown): Uint8Array {
  if (piece instanceof Uint8Array) return piece;
  if (typeof piece === "string") return encode(piece);
  throw new TypeError(`Cannot send ${brief(piece)} as a piece of a body: wanted a Uint8Array or a string`);
}
