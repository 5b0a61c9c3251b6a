import streamPromises from "node:stream/promises";
import { isObject } from "../errors.ts";
import { waited, withSignal } from "./call.ts";
import { imported, type Ambient, type Family } from "./platform.ts";

const pipeline: Ambient = (real, args) =>
  waited(
    () => "a pipeline of streams",
    (signal) =>
      real(...withSignal(args, isOptions(args.at(-1)) ? args.length - 1 : args.length, signal)) as Promise<unknown>,
  );

const finished: Ambient = (real, args) =>
  waited(
    () => "the end of a stream",
    (signal) => real(...withSignal(args, 1, signal)) as Promise<unknown>,
  );

/** Not a part of the pipeline: a stream of Node or of the web, something to iterate, a pair. */
function isOptions(value: unknown): boolean {
  if (!isObject(value) || typeof value === "function") return false;
  const marks = [
    "pipe",
    "write",
    "getReader",
    "getWriter",
    "readable",
    "writable",
    Symbol.iterator,
    Symbol.asyncIterator,
  ];
  return !marks.some((mark) => mark in value);
}

export const streamFamily: Family<typeof streamPromises> = { owner: streamPromises, functions: { pipeline, finished } };

/**
 * `node:stream/promises`. Inside of a scope, a cancellation destroys a pipeline's streams, and cuts what waits for a stream's end.
 *
 * Cancellation: Checkpoint, effects possible: a part has gone through the pipeline.
 */
export const stream: typeof import("node:stream/promises") = imported(streamFamily);
