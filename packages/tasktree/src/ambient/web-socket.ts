import { addAbortListener } from "node:events";
import { currentSignal, isInScope } from "../lowlevel.ts";

/**
 * The platform's `WebSocket`. Inside of a scope, a cancellation closes it; outside it is the platform's.
 *
 * Cancellation: Not a checkpoint: the socket gets its `close` event.
 */
export const WebSocket: typeof globalThis.WebSocket = class extends globalThis.WebSocket {
  constructor(...args: ConstructorParameters<typeof globalThis.WebSocket>) {
    super(...args);
    if (!isInScope()) return;
    const listening = addAbortListener(currentSignal(), () => this.close());
    this.addEventListener("close", () => listening[Symbol.dispose]());
  }
};

export type WebSocket = globalThis.WebSocket;
