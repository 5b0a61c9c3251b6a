import netModule, { type Socket } from "node:net";
import { addAbortSignal } from "node:stream";
import tlsModule from "node:tls";
import { Call } from "./call.ts";
import { imported, type Ambient, type Family } from "./platform.ts";

const connected: Ambient = (real, args) => {
  const call = new Call(() => "a socket");
  void call.refused();
  const socket = addAbortSignal(call.signal, real(...args) as Socket);
  call.hear(socket); // it is held, not waited for
  return socket;
};

const netFamily: Family<typeof netModule> = {
  owner: netModule,
  functions: { connect: connected, createConnection: connected },
};
const tlsFamily: Family<typeof tlsModule> = { owner: tlsModule, functions: { connect: connected } };

/**
 * `connect` and `createConnection` of `node:net`. Inside of a scope, a cancellation destroys the socket, as long as it is open.
 *
 * Cancellation: Not a checkpoint: the socket gets an `error` event.
 */
export const net: Pick<typeof import("node:net"), "connect" | "createConnection"> = imported(netFamily);

/** `connect` of `node:tls`; as {@link net}. */
export const tls: Pick<typeof import("node:tls"), "connect"> = imported(tlsFamily);
