import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

/** A server that answers as an object store might. */
export type StoreServer = {
  /** `127.0.0.1:<port>` */
  host: string;
  /** What it was asked, in order. */
  seen: { method: string; path: string; headers: Record<string, string> }[];
  stop(): Promise<void>;
};

/** What a store answers: a body of text, with 200 unless said otherwise; undefined answers 404. */
export type StoreAnswer = { status?: number; headers?: Record<string, string>; body?: string } | undefined;

/** Starts it on the loopback interface, over plain HTTP. `answer` may write to the response itself, and say so. */
export async function startStoreServer(
  answer: (request: IncomingMessage & { url: string }, response: ServerResponse) => StoreAnswer | "answered",
): Promise<StoreServer> {
  const seen: StoreServer["seen"] = [];
  const server = createServer((request, response) => {
    const { method = "", url = "", headers } = request;
    const texts = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
    seen.push({ method, path: url, headers: texts });
    const given = answer(Object.assign(request, { url }), response);
    if (given === "answered") return;
    response.writeHead(given?.status ?? (given === undefined ? 404 : 200), given?.headers ?? {});
    response.end(given?.body ?? "");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    host: `127.0.0.1:${typeof address === "object" ? address?.port : 0}`,
    seen,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
