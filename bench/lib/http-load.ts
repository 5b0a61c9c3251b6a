import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Adapter, Begin } from "./contract.ts";
import { load, loader } from "./load.ts";

/** Loads the HTTP server at `port`, as {@link load}. */
export function loadHttp(port: number, requests: number, begin: Begin): Promise<number> {
  return load(loader("http-load.ts"), port, requests, begin);
}

/** What measures a server of Node that knows nothing of tasktree's, or is taken over by it. */
export function httpAdapter(make: () => Server | Promise<Server>): Adapter {
  return async (n, begin) => {
    const server = await make();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const answered = await loadHttp((server.address() as AddressInfo).port, n, begin);
    server.close();
    return answered;
  };
}
