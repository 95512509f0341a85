import { once } from "node:events";
import { createServer } from "node:https";
import { type Exchange, serviceExchange } from "../../lib/platform/exchange.ts";
import { createCertificateAuthority, issueCertificate } from "../../lib/platform/local/certificate.ts";
import { startHttpProxy } from "./proxy.ts";

/** A request as a cloud's service got it. `host` is whom the client meant to ask. */
export type CloudRequestSeen = {
  method: string;
  host: string;
  path: string;
  headers: Record<string, string>;
  body: string;
};

/** What a service answers: JSON or a text with headers of its own, with 200 unless said otherwise. */
export type CloudAnswer =
  | { status?: number; json: unknown }
  | { status?: number; headers?: Record<string, string>; text: string };

/** The services of a cloud by their hosts' names, over TLS on this machine. */
export type CloudService = {
  /** Reaches the services by their own names, whose certificates it checks; any other host is not reached. */
  exchange: Exchange;
  /** The way there for whoever is no exchange. */
  outbound: { proxy: { address: string }; tls: { certificateAuthority: string } };
  seen: CloudRequestSeen[];
  stop(): Promise<void>;
};

/**
 * Starts services that cannot run here. `answer` is given each request, exactly as it came, and says what the vendor's
 * documentation does; undefined answers 404.
 */
export async function startCloudService(
  hosts: string[],
  answer: (request: CloudRequestSeen) => CloudAnswer | undefined,
): Promise<CloudService> {
  const authority = createCertificateAuthority("clouds of the test bed");
  const { certificate, key } = issueCertificate(authority, { names: hosts });
  const seen: CloudRequestSeen[] = [];
  const server = createServer({ cert: certificate, key }, async (request, response) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const asked = {
      method: request.method ?? "",
      host: request.headers.host ?? "",
      path: request.url ?? "",
      headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)])),
      body: Buffer.concat(chunks).toString(),
    };
    seen.push(asked);
    const given = answer(asked) ?? { status: 404, json: {} };
    if ("text" in given) response.writeHead(given.status ?? 200, given.headers ?? {}).end(given.text);
    else
      response.writeHead(given.status ?? 200, { "content-type": "application/json" }).end(JSON.stringify(given.json));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  const proxy = await startHttpProxy({ hosts: Object.fromEntries(hosts.map((host) => [host, `127.0.0.1:${port}`])) });
  const outbound = { proxy: { address: proxy.address }, tls: { certificateAuthority: authority.certificate } };
  return {
    exchange: serviceExchange({ outbound }),
    outbound,
    seen,
    stop: async () => {
      await proxy.stop();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
