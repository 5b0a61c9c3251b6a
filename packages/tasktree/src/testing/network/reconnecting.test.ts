/** What the simulated network is for: a client and a server, tested together through an hour of trouble. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { randomFrom } from "../../../test/random.ts";
import {
  BrokenError,
  failAfter,
  isCancelled,
  now,
  run,
  sleep,
  TimeoutError,
  withTaskGroup,
  type Task,
} from "../../index.ts";
import type { ByteStream } from "../../streams/index.ts";
import { SimulatedNetwork, VirtualClock, type NetworkHost } from "../index.ts";

const hour = 3_600_000;

/** A connection as lines of text. */
class Lines {
  readonly #stream: ByteStream;
  #text = "";

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  async read(): Promise<string | undefined> {
    for (;;) {
      const end = this.#text.indexOf("\n");
      if (end >= 0) {
        const line = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 1);
        return line;
      }
      const chunk = await this.#stream.read();
      if (chunk === undefined) return undefined;
      this.#text += Buffer.from(chunk).toString();
    }
  }

  write(line: string): Promise<void> {
    return this.#stream.write(Buffer.from(`${line}\n`));
  }
}

/** Accounts that outlive the server's crashes. A deposit that comes again is answered as the first time. */
class Bank {
  readonly done = new Map<string, string>();
  balance = 0;
  repeated = 0;

  deposit(id: string, amount: number): string {
    const before = this.done.get(id);
    if (before !== undefined) {
      this.repeated++;
      return before;
    }
    this.balance += amount;
    const answer = `${id} ${this.balance}`;
    this.done.set(id, answer);
    return answer;
  }
}

async function serve(host: NetworkHost, bank: Bank): Promise<void> {
  await using listener = host.listen(7);
  await withTaskGroup(async (group) => {
    for await (const stream of listener) group.spawn(() => answerAll(stream, bank));
  });
}

async function answerAll(connection: ByteStream, bank: Bank): Promise<void> {
  await using stream = connection;
  const lines = new Lines(stream);
  try {
    for (let line = await lines.read(); line !== undefined; line = await lines.read()) {
      const [id, amount] = line.split(" ");
      await lines.write(bank.deposit(id!, Number(amount)));
    }
  } catch (error) {
    if (!(error instanceof BrokenError)) throw error;
  }
}

/** A client that connects anew, ever more slowly, until each deposit is answered. */
class Client {
  readonly #host: NetworkHost;
  #stream: ByteStream | undefined;
  #lines: Lines | undefined;
  tries = 0;

  constructor(host: NetworkHost) {
    this.#host = host;
  }

  async deposit(id: string, amount: number): Promise<string> {
    for (let pause = 100; ; pause = Math.min(2 * pause, 30_000)) {
      this.tries++;
      try {
        return await failAfter(5000, () => this.#ask(`${id} ${amount}`));
      } catch (error) {
        if (isCancelled(error) || !(error instanceof BrokenError || error instanceof TimeoutError)) throw error;
        this.close();
        await sleep(pause);
      }
    }
  }

  close(): void {
    this.#stream?.abort();
    this.#stream = this.#lines = undefined;
  }

  async #ask(line: string): Promise<string> {
    if (this.#lines === undefined) {
      this.#stream = await this.#host.connect("bank", 7);
      this.#lines = new Lines(this.#stream);
    }
    await this.#lines.write(line);
    const answer = await this.#lines.read();
    if (answer === undefined) throw new BrokenError("Cannot get an answer: the server has closed the connection");
    return answer;
  }
}

/** Partitions, cut connections and crashes for an hour, by chance. */
async function makeTrouble(
  network: SimulatedNetwork,
  seed: number,
  server: { start(): void; stop(): void },
): Promise<void> {
  const random = randomFrom(seed);
  while (now() < hour) {
    await sleep(1000 * random(60));
    switch (random(3)) {
      case 0:
        network.partition(["shop", "kiosk"], ["bank"]);
        await sleep(1000 * random(120));
        network.heal();
        break;
      case 1:
        network.cut("shop", "bank");
        break;
      default:
        server.stop();
        network.host("bank").crash();
        await sleep(1000 * random(20));
        server.start();
    }
  }
}

/** The hour; gives what has become of it. */
async function anHour(seed: number) {
  const clock = new VirtualClock();
  const network = new SimulatedNetwork({ latency: [5, 200], segment: 4, lossRate: 0.002, giveUpAfter: 20_000, seed });
  const bank = new Bank();
  const clients = ["shop", "kiosk"].map((name) => new Client(network.host(name)));
  const answers: string[] = [];
  let deposited = 0;

  async function main(): Promise<void> {
    await withTaskGroup(async (group) => {
      let server: Task | undefined;
      const start = () => void (server = group.spawn(() => serve(network.host("bank"), bank), { service: true }));
      start();
      group.spawn(() => makeTrouble(network, seed, { start, stop: () => server?.cancel() }));
      for (const [at, client] of clients.entries()) {
        group.spawn(async () => {
          for (let number = 0; now() < hour; number++) {
            const amount = 1 + (number % 9);
            answers.push(await client.deposit(`${at}-${number}`, amount));
            deposited += amount;
            await sleep(10_000);
          }
          client.close();
        });
      }
    });
  }

  await run(main, { clock, host: false });
  await run(() => sleep(60_000), { clock, host: false });
  return { answers, bank, deposited, tries: clients.map(({ tries }) => tries), statistics: network.statistics() };
}

test("a client that connects anew gets every deposit through an hour of partitions and crashes, once", async () => {
  const { answers, bank, deposited, tries, statistics } = await anHour(1);
  assert.ok(answers.length > 200, `${answers.length} deposits`);
  assert.equal(bank.balance, deposited);
  assert.deepEqual(answers.toSorted(), [...bank.done.values()].toSorted());
  assert.ok(bank.repeated > 0, "no answer was lost");
  assert.ok(tries[0]! + tries[1]! > answers.length + 20, `${tries.join(", ")} tries`);
  assert.deepEqual([statistics.connections, statistics.waiting, statistics.bytesUnderWay], [0, 0, 0]);
});

test("the same seed gives the same hour, another seed another one", async () => {
  const course = async (seed: number) => {
    const { answers, tries, statistics } = await anHour(seed);
    return { answers, tries, statistics };
  };
  const first = await course(2);
  assert.deepEqual(await course(2), first);
  assert.notDeepEqual(await course(3), first);
});
