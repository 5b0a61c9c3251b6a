import type { Begin, Peer } from "../../lib/contract.ts";

type Reject = (reason: Error) => void;

async function cancel(n: number, begin: Begin): Promise<number> {
  let ended = 0;
  const waiting = new Set<Reject>();
  async function wait(): Promise<void> {
    let cancel: Reject | undefined;
    try {
      await new Promise<never>((_, reject) => {
        cancel = reject;
        waiting.add(reject);
      });
    } finally {
      waiting.delete(cancel!);
      ended++;
    }
  }
  const tasks: Promise<void>[] = [];
  for (let i = 0; i < n; i++) tasks.push(wait());
  begin();
  const reason = new Error("cancelled");
  const all = Promise.allSettled(tasks);
  for (const reject of waiting) reject(reason);
  await all;
  return ended;
}

export const rawSet: Peer = {
  name: "raw-set",
  describe: () => "native promises, cancelled through a Set of their reject functions",
  scenarios: { cancel },
};
