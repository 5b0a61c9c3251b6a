import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import type { Adapter } from "../../lib/contract.ts";
import { loadEcho } from "../../lib/echo-load.ts";

export const rawNet: Record<string, Adapter> = {
  async "tcp-echo"(n, begin) {
    const server = createServer({ noDelay: true }, (socket) => {
      socket.on("data", (chunk) => socket.write(chunk));
      socket.on("error", () => {}); // who loads it leaves without a word
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const answered = await loadEcho((server.address() as AddressInfo).port, n, begin);
    server.close();
    return answered;
  },
};
