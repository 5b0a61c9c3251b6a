import { fastify as make } from "fastify";
import type { Peer } from "../lib/contract.ts";
import { httpAdapter } from "../lib/http-load.ts";
import { loadHttpFastify } from "../lib/subject.ts";
import { packageVersion } from "../lib/version.ts";
import { ANSWER } from "../scenarios/http.ts";

export const fastify: Peer = {
  name: "fastify",
  describe: () => `fastify ${packageVersion("node_modules/fastify")}`,
  scenarios: {
    "http-hello": httpAdapter(async () => {
      const app = make();
      app.get("/", async () => ANSWER);
      await app.ready();
      return app.server;
    }),
  },
};

export const tasktreeFastify: Peer = {
  name: "tasktree-fastify",
  describe: () => `${fastify.describe()} with taskPerRequest`,
  scenarios: {
    "http-hello": httpAdapter(async () => {
      const { taskPerRequest } = await loadHttpFastify();
      const app = make();
      void app.register(taskPerRequest);
      app.get("/", async () => ANSWER);
      await app.ready();
      return app.server;
    }),
  },
};
