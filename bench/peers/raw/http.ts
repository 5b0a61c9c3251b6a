import { createServer } from "node:http";
import type { Adapter } from "../../lib/contract.ts";
import { httpAdapter } from "../../lib/http-load.ts";
import { ANSWER } from "../../scenarios/http.ts";

export const rawHttp: Record<string, Adapter> = {
  "http-hello": httpAdapter(() => createServer((_request, response) => response.end(ANSWER))),
};
