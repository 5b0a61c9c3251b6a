import { make } from "@effect/platform-node-shared/NodeSocketServer";
import { Effect } from "effect";
import type { NetAddress } from "effect/net";
import type { Socket } from "effect/socket/Socket";
import type { Adapter } from "../../lib/contract.ts";
import { loadEcho } from "../../lib/echo-load.ts";

const echo = (socket: Socket) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { pull } = yield* socket.reader;
      const { writeAll } = yield* socket.writer;
      for (;;) yield* writeAll(yield* pull);
    }),
  ).pipe(Effect.ignore);

export const net: Record<string, Adapter> = {
  "tcp-echo": (n, begin) =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const server = yield* make({ host: "127.0.0.1", port: 0, noDelay: true });
          yield* Effect.forkScoped(server.run(echo));
          const { address } = server;
          return yield* Effect.promise(() => loadEcho((address as NetAddress.InetAddress).port, n, begin));
        }),
      ),
    ),
};
