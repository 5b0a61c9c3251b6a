import dnsPromises from "node:dns/promises";
import { abandonOnCancel, refused } from "../lowlevel.ts";
import { imported, type Ambient, type Family, type Real } from "./platform.ts";

type Answer = { readonly value: unknown } | { readonly error: unknown };

/** By the machine's own means, which cannot be stopped: it is left to itself. */
const lookedUp: Ambient = (real, args) => refused() ?? answered(real(...args) as Promise<unknown>);

/** Each by a resolver of its own: `cancel()` ends all that one has asked. */
function resolved(name: string): Ambient {
  return (real, args) => {
    const refusal = refused();
    if (refusal !== undefined) return refusal;
    const resolver = new dnsPromises.Resolver();
    const ask = (resolver as unknown as Record<string, Real | undefined>)[name];
    if (ask === undefined) return answered(real(...args) as Promise<unknown>);
    resolver.setServers(dnsPromises.getServers());
    return answered(Reflect.apply(ask, resolver, args) as Promise<unknown>, () => resolver.cancel());
  };
}

/** That nothing was found is an answer too: when nobody waits any more, both are dropped. */
async function answered(asked: Promise<unknown>, cancel?: () => void): Promise<unknown> {
  let over = false;
  const answer = asked.then(
    (value): Answer => ({ value }),
    (error: unknown): Answer => ({ error }),
  );
  try {
    const given = await abandonOnCancel(answer);
    over = true;
    if ("error" in given) throw given.error;
    return given.value;
  } finally {
    if (!over) cancel?.();
  }
}

const names = Object.entries(dnsPromises)
  .filter(([name, value]) => typeof value === "function" && /^(resolve|reverse)/.test(name))
  .map(([name]) => name);

export const nameFamily: Family<typeof dnsPromises> = {
  owner: dnsPromises,
  functions: {
    lookup: lookedUp,
    lookupService: lookedUp,
    ...Object.fromEntries(names.map((name) => [name, resolved(name)])),
  },
};

/**
 * `node:dns/promises`. Inside of a scope, a cancellation ends a query; a `lookup`, which the system makes, is left to itself.
 *
 * Cancellation: Checkpoint, nothing lost but the answer.
 */
export const dns: typeof import("node:dns/promises") = imported(nameFamily);
