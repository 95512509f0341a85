import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import type { ClusterClient } from "../../lib/cluster/client.ts";
import { connect } from "../../lib/cluster/connect.ts";
import { bedCluster } from "../bed/bed.ts";

/** What happens to a request on its way to the API server. */
export type Fault =
  /** It is answered in the API server's place. */
  | { answer: number; headers?: Record<string, string>; body?: string }
  /** The connection breaks before the API server has seen it, or after it has done it. */
  | "lost"
  | "done but lost";

/** The bed's API server behind something that fails. */
export type FaultyServer = {
  client: ClusterClient;
  /** Asked once for each request, `METHOD path`; undefined lets it pass. */
  fault: (request: string) => Fault | undefined;
  /** What reached the API server. */
  passed: string[];
  stop(): Promise<void>;
};

/** Starts it on the loopback interface, without a fault at first. */
export async function startFaultyServer(): Promise<FaultyServer> {
  const { url: target, certificateAuthority: ca, token } = await bedCluster();
  const agent = new Agent({ keepAlive: true, ca });
  const serve = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const { method = "GET", url = "/", headers, socket } = incoming;
    const fault = faulty.fault(`${method} ${url}`);
    const body = await contentOf(incoming);
    if (fault === "lost") return void socket.destroy();
    if (typeof fault === "object") {
      return void outgoing.writeHead(fault.answer, fault.headers ?? {}).end(fault.body ?? "");
    }
    faulty.passed.push(`${method} ${url}`);
    const sending = httpsRequest(new URL(url, target), { agent, method, headers });
    sending.end(body);
    const [answer]: IncomingMessage[] = await once(sending, "response");
    if (answer === undefined) throw new Error("there was no answer");
    const content = await contentOf(answer);
    if (fault === "done but lost") return void socket.destroy();
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers).end(content);
  };
  const server = createServer((incoming, outgoing) => {
    serve(incoming, outgoing).catch(() => incoming.socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  const url = `http://127.0.0.1:${address.port}`;
  const faulty: FaultyServer = {
    client: connect({ type: "token", url, token: async () => token }, { userAgent: "sluice-test" }),
    fault: () => undefined,
    passed: [],
    stop: async () => {
      server.close();
      server.closeAllConnections();
      agent.destroy();
    },
  };
  return faulty;
}

async function contentOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk);
  return Buffer.concat(chunks);
}
