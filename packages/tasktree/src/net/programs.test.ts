/** A server in a process of its own, and clients that nobody here wrote. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { makeCertificate } from "../../test/certificate.ts";
import { program, runFile, startFile, type Child } from "../../test/child.ts";
import { needs, program as installed } from "../../test/needs.ts";
import { isPinned, skipOn } from "../../test/runtime.ts";

const tasktree = join(import.meta.dirname, "../cli/main.ts");

async function served(child: Child, body: (port: number) => Promise<void>): Promise<string> {
  await child.printed("\n");
  const port = Number(/echo on 127\.0\.0\.1:(\d+)/.exec(child.stdout)![1]);
  try {
    await body(port);
  } finally {
    child.kill("SIGINT");
  }
  const { code, stderr } = await child.ended;
  assert.equal(code, 130);
  return stderr;
}

function echoServer(): Child {
  return startFile(tasktree, ["run", program("echo-server.ts")], { env: { PORT: "0" } });
}

/** What a program prints when it is given `input`, which ends when that has come back. */
async function talk(command: string, args: readonly string[], input: string): Promise<string> {
  const client = spawn(command, args, { stdio: ["pipe", "pipe", "ignore"], timeout: 20_000, killSignal: "SIGKILL" });
  let output = "";
  client.stdin.write(input);
  client.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    if (output.includes(input)) client.stdin.end();
  });
  await once(client, "close");
  return output;
}

test(
  "the echo server runs with `tasktree run`, and Python's asyncio talks to it",
  needs(installed("python3", "python3")),
  async () => {
    const script = `
import asyncio, sys
async def main():
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    writer.write(b"hello from asyncio\\n")
    await writer.drain()
    print((await reader.readline()).decode(), end="")
    writer.write_eof()
    print(await reader.read())
    writer.close()
    await writer.wait_closed()
asyncio.run(main())
`;
    const stderr = await served(echoServer(), async (port) => {
      const output = await talk("python3", ["-c", script, String(port)], "");
      assert.equal(output, "hello from asyncio\nb''\n");
    });
    assert.equal(stderr, "");
  },
);

test("nc talks to the echo server", needs(installed("nc", "netcat-openbsd")), async () => {
  await served(echoServer(), async (port) => {
    assert.equal(await talk("nc", ["-N", "127.0.0.1", String(port)], "hello from nc\n"), "hello from nc\n");
  });
});

test("openssl s_client talks to the echo server under TLS", needs(installed("openssl", "openssl")), async () => {
  const { cert, key } = makeCertificate();
  const child = startFile(tasktree, ["run", program("echo-server-tls.ts")], { env: { CERT: cert, KEY: key } });
  await served(child, async (port) => {
    const args = ["s_client", "-quiet", "-no_ign_eof", "-connect", `127.0.0.1:${port}`];
    assert.match(await talk("openssl", args, "hello from openssl\n"), /hello from openssl\n/);
  });
});

/** How many connections at once; 9,000 were tried by hand. */
const many = process.env["TASKTREE_CONNECTIONS"] ?? (isPinned ? "1000" : "300");

test(`the echo server serves ${many} connections at once`, async () => {
  await served(echoServer(), async (port) => {
    const { code, stdout, stderr } = await runFile(program("many-connections.ts"), [many, String(port)]);
    assert.deepEqual([code, stdout, stderr], [0, `${many} at once\n`, ""]);
  });
});

const oneEnough = "tried with Node's way of accepting";

test("a server that is short of descriptors goes on serving", skipOn({ bun: oneEnough, deno: oneEnough }), async () => {
  const limited = ["-c", `ulimit -n 60; exec "$0" "$@"`, process.execPath, "--conditions=@tasktree/source"];
  const server = spawn("sh", [...limited, tasktree, "run", program("echo-server.ts")], {
    env: { ...process.env, PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
    timeout: 30_000,
  });
  const [line] = (await once(server.stdout.setEncoding("utf8"), "data")) as [string];
  const port = /:(\d+)/.exec(line)![1]!;
  const crowd = await runFile(program("many-connections.ts"), ["100", port]);
  assert.equal(crowd.code, 1);
  const few = await runFile(program("many-connections.ts"), ["5", port]);
  assert.deepEqual([few.code, few.stdout], [0, "5 at once\n"]);
  server.kill("SIGINT");
  await once(server, "close");
});
