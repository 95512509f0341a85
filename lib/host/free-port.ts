import { createServer } from "node:net";

/** A TCP port of the loopback interface that was free a moment ago. Another process may take it: whoever binds it tries again. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => {
        if (address === null || typeof address === "string") reject(new Error("the loopback interface gives no port"));
        else resolve(address.port);
      });
    });
  });
}
