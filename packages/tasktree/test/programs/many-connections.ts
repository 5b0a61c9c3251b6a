/** Opens COUNT connections to PORT, all at once, sends a line on each, and says how many came back. */
import { run, withTaskGroup } from "tasktree";
import { connectTcp, type SocketStream } from "tasktree/net";

const [count, port] = process.argv.slice(2).map(Number) as [number, number];

async function visit(number: number): Promise<SocketStream> {
  const stream = await connectTcp("127.0.0.1", port);
  const line = Buffer.from(`line ${number}\n`);
  await stream.write(line);
  let answer = "";
  while (answer.length < line.length) answer += Buffer.from((await stream.read())!).toString();
  if (answer !== line.toString()) throw new Error(`sent ${line.toString()}, got ${answer}`);
  return stream;
}

await run(async () => {
  const streams = await withTaskGroup(async (group) => {
    const visits = Array.from({ length: count }, (_, number) => group.spawn(() => visit(number)));
    const open: SocketStream[] = [];
    for (const each of visits) open.push(await each);
    return open;
  });
  console.log(`${streams.filter((stream) => !stream.isClosed).length} at once`);
  for (const stream of streams) await stream.close();
});
