import type { SocketListener, SocketStream } from "../../../packages/tasktree/src/net/index.ts";
import type { Adapter } from "../../lib/contract.ts";
import { loadEcho } from "../../lib/echo-load.ts";
import { loadNet, tasktree } from "../../lib/subject.ts";

async function echo(connection: SocketStream): Promise<void> {
  for await (const chunk of connection) await connection.write(chunk);
}

export const net: Record<string, Adapter> = {
  async "tcp-echo"(n, begin) {
    const { serveTcp } = await loadNet();
    return await tasktree.run(
      () =>
        tasktree.withTaskGroup(async (group) => {
          const serve = (started: (listener: SocketListener) => void) => serveTcp(echo, { port: 0, started });
          const { port } = await group.start<SocketListener>(serve, { service: true });
          return await loadEcho(port!, n, begin);
        }),
      { host: false },
    );
  },
};
