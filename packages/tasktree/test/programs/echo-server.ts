/** The echo server of the tutorials: `tasktree run echo-server.ts`. With PORT=0 it says on which port it listens. */
import { serveTcp, type SocketStream } from "tasktree/net";

async function echo(connection: SocketStream): Promise<void> {
  for await (const chunk of connection) await connection.write(chunk);
}

export default function main(): Promise<void> {
  const port = Number(process.env["PORT"] ?? 7000);
  return serveTcp(echo, { port, started: (listener) => console.log(`echo on ${listener.address}`) });
}
