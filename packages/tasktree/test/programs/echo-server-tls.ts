/** The echo server under TLS; certificate and key come in the environment. */
import { serveTls, type SocketStream } from "tasktree/net";

async function echo(connection: SocketStream): Promise<void> {
  for await (const chunk of connection) await connection.write(chunk);
}

export default function main(): Promise<void> {
  const { CERT: cert, KEY: key } = process.env as { CERT: string; KEY: string };
  return serveTls(echo, { port: 0, cert, key, started: ({ address }) => console.log(`echo on ${address}`) });
}
