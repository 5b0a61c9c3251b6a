// What loads the echo servers of all peers, in a process of its own: `echo-load.ts PORT REQUESTS`. Plain node:net, one request
// outstanding on each connection. After some requests that count for nothing it says so, waits for a line, makes the requests, and
// says how many were answered rightly.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { CONNECTIONS, REQUEST_BYTES } from "./scenarios/net.ts";

const WARM_UP_REQUESTS = 5000;

let left = 0;
let under = 0;
let answered = 0;
let allAnswered: (() => void) | undefined;

/** A connection reads into one array, and makes no events of what it reads: the load must cost less than what it loads. */
class Connection {
  readonly socket: Socket;
  readonly #request: Buffer;
  #got = 0;

  constructor(port: number, index: number) {
    this.#request = Buffer.alloc(REQUEST_BYTES, `connection ${index} `);
    const onread = { buffer: Buffer.alloc(2 * REQUEST_BYTES), callback: this.#read };
    this.socket = connect({ port, host: "127.0.0.1", noDelay: true, onread });
  }

  ask(): void {
    left--;
    under++;
    this.socket.write(this.#request);
  }

  readonly #read = (count: number, bytes: Uint8Array): boolean => {
    const end = this.#got + count;
    if (end > REQUEST_BYTES || this.#request.compare(bytes, 0, count, this.#got, end) !== 0) {
      throw new Error("The answer is not what was asked");
    }
    this.#got = end % REQUEST_BYTES;
    if (this.#got > 0) return true;
    answered++;
    under--;
    if (left > 0) this.ask();
    else if (under === 0) allAnswered!();
    return true;
  };
}

async function make(requests: number, connections: Connection[]): Promise<number> {
  left = requests;
  answered = 0;
  const all = new Promise<void>((resolve) => (allAnswered = resolve));
  for (const connection of connections) connection.ask();
  await all;
  return answered;
}

const [port, requests] = process.argv.slice(2).map(Number);
const connections = Array.from({ length: CONNECTIONS }, (_, index) => new Connection(port!, index));
await Promise.all(connections.map(({ socket }) => once(socket, "connect")));
await make(WARM_UP_REQUESTS, connections);
console.log("ready");
await once(createInterface(process.stdin), "line");
console.log(await make(requests!, connections));
for (const { socket } of connections) socket.destroy();
process.exit();
