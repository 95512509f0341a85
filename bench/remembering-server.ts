import { once } from "node:events";
import { createServer } from "node:http";

/** A server at many addresses that says of each what another says of one: see `startRememberingServer`. */
export type RememberingServer = {
  /** `http://127.0.0.1:<port>`; any `<url>/<name>.git` is the repository. */
  url: string;
  /** Asks the repository's own server anew from now on: to be called after a commit. */
  forget(): void;
  stop(): Promise<void>;
};

/** What of a question decides its answer. */
const asked = ["content-type", "git-protocol", "accept", "content-encoding"];

/**
 * Stands before git's own server of the repository at `origin`, and gives its bytes again to who asks the same, as a host of many
 * repositories does from its caches. Git's server starts four processes a question, which is more than what is measured costs.
 */
export async function startRememberingServer(origin: string): Promise<RememberingServer> {
  const answers = new Map<string, Promise<{ status: number; type: string; body: Buffer }>>();
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const headers = Object.fromEntries(asked.map((name) => [name, request.headers[name]?.toString() ?? ""]));
    const path = (request.url ?? "").replace(/^\/[^/]+\.git/, "");
    const key = JSON.stringify([request.method, path, headers, body.toString("latin1")]);
    const answer = answers.get(key) ?? ask(`${origin}${path}`, request.method ?? "GET", headers, body);
    answers.set(key, answer);
    try {
      const { status, type, body: bytes } = await answer;
      response.writeHead(status, { "content-type": type, "content-length": bytes.length }).end(bytes);
    } catch {
      answers.delete(key);
      response.destroy();
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    forget: () => answers.clear(),
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function ask(url: string, method: string, given: Record<string, string>, body: Buffer) {
  const headers = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== ""));
  const answer = await fetch(url, { method, headers, ...(method === "POST" && { body: new Uint8Array(body) }) });
  const type = answer.headers.get("content-type") ?? "";
  return { status: answer.status, type, body: Buffer.from(await answer.arrayBuffer()) };
}
