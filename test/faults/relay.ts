import { once } from "node:events";
import {
  createServer as createHttpServer,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import { createServer as createHttpsServer, Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { CertificatePair } from "../../lib/platform/local/certificate.ts";
import type { CrashPoint } from "./crash-point.ts";

/** A request on its way through a relay: what is asked, and the port that the one who asks has the connection from. */
export type Passing = { method: string; url: URL; headers: IncomingHttpHeaders; body: Buffer; clientPort: number };

/** What may befall a request: an answer in the server's place, none at all on a connection that stays, or half of the server's. */
export type Trouble = { status: number; headers?: Record<string, string>; body?: string } | "silence" | "half";

/**
 * Asked before a request is passed on, and again when it was answered; with false it ends there, unanswered. Half an answer there is
 * only when it was answered.
 */
export type Gate = (passing: Passing, when: CrashPoint["when"], relayPort: number) => boolean | Trouble;

/** The stand-in of a server, on the loopback interface. */
export type Relay = { url: string; stop(): Promise<void> };

/**
 * Passes requests on to the server at `target`, each whole, and the answer back. With `tls` it is reached by HTTPS; `ca` is the
 * authority, in PEM, of a target that is.
 */
export async function startRelay(options: {
  target: string;
  gate: Gate;
  tls?: CertificatePair;
  ca?: string;
}): Promise<Relay> {
  const { target, gate, tls, ca } = options;
  const secure = target.startsWith("https:");
  const agent = secure
    ? new HttpsAgent({ keepAlive: true, ...(ca === undefined ? {} : { ca }) })
    : new HttpAgent({ keepAlive: true });

  const ask = async ({
    method,
    url,
    headers,
    body,
  }: Passing): Promise<{ answer: IncomingMessage; content: Buffer }> => {
    const sending = (secure ? httpsRequest : httpRequest)(url, { agent, method, headers });
    sending.end(body);
    const [answer]: IncomingMessage[] = await once(sending, "response");
    if (answer === undefined) throw new Error("there was no answer");
    return { answer, content: await contentOf(answer) };
  };
  const serve = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const { socket, method = "GET", headers } = incoming;
    const { remotePort: clientPort = 0, localPort = 0 } = socket;
    try {
      const url = new URL(incoming.url ?? "/", target);
      const passing: Passing = { method, url, headers, body: await contentOf(incoming), clientPort };
      if (befalls(gate(passing, "before", localPort), outgoing)) return;
      const { answer, content } = await ask(passing);
      const verdict = gate(passing, "after", localPort);
      if (verdict !== "half" && befalls(verdict, outgoing)) return;
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      if (verdict !== "half") return void outgoing.end(content);
      outgoing.write(content.subarray(0, content.length / 2), () => socket.destroy());
    } catch {
      // A connection that broke on one side breaks on the other.
      socket.destroy();
    }
  };
  const listener = (incoming: IncomingMessage, outgoing: ServerResponse) => void serve(incoming, outgoing);
  const server =
    tls === undefined
      ? createHttpServer(listener)
      : createHttpsServer({ cert: tls.certificate, key: tls.key }, listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the relay has no port");
  return {
    url: `${tls === undefined ? "http" : "https"}://127.0.0.1:${address.port}`,
    stop: async () => {
      server.close();
      server.closeAllConnections();
      agent.destroy();
    },
  };
}

/** Whether a request ends here, which is seen to. */
function befalls(verdict: boolean | Trouble, outgoing: ServerResponse): boolean {
  if (verdict === false) outgoing.socket?.destroy();
  else if (typeof verdict === "object")
    outgoing.writeHead(verdict.status, verdict.headers ?? {}).end(verdict.body ?? "");
  return verdict !== true;
}

async function contentOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk);
  return Buffer.concat(chunks);
}
