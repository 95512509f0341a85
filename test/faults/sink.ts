import { once } from "node:events";
import { createServer } from "node:http";

/** What receives notifications: a generic Provider's address, and the messages that came. */
export type Sink = { url: string; messages: string[]; stop(): Promise<void> };

/** Starts a sink on the loopback interface. */
export async function startSink(): Promise<Sink> {
  const messages: string[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => {
      body += chunk;
    });
    request.once("end", () => {
      messages.push(String(JSON.parse(body).message));
      response.end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the sink has no port");
  return {
    url: `http://127.0.0.1:${address.port}/`,
    messages,
    stop: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
