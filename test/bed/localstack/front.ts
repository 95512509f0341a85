import { once } from "node:events";
import { Agent, request as forward } from "node:http";
import { createServer } from "node:https";
import { createCertificateAuthority, issueCertificate } from "../../../lib/platform/local/certificate.ts";
import type { BedAws } from "../parts.ts";

/** A function URL as the outside reaches it. */
export type FunctionFront = {
  /** `https://127.0.0.1:<port>` */
  url: string;
  /** PEM of the authority that signed its certificate. */
  certificateAuthority: string;
  stop(): Promise<void>;
};

/**
 * Serves a function URL over HTTPS, as AWS does and API servers demand. LocalStack's own URL is plain HTTP on a name below
 * `localhost`, which not every resolver knows: requests are passed on to its address under that name. Status, headers and body
 * go through unchanged.
 */
export async function startFunctionFront(aws: Pick<BedAws, "endpoint">, functionUrl: string): Promise<FunctionFront> {
  const authority = createCertificateAuthority("front");
  const { certificate, key } = issueCertificate(authority, { names: ["localhost", "127.0.0.1"] });
  const { host } = new URL(functionUrl);
  const agent = new Agent({ keepAlive: true });
  const server = createServer({ cert: certificate, key }, (incoming, outgoing) => {
    const asking = forward(new URL(incoming.url ?? "/", aws.endpoint), {
      agent,
      method: incoming.method,
      headers: { ...incoming.headers, host },
    });
    asking.once("response", (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(outgoing);
    });
    asking.once("error", (error) => outgoing.writeHead(502).end(error.message));
    incoming.pipe(asking);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the front has no port");
  return {
    url: `https://127.0.0.1:${address.port}`,
    certificateAuthority: authority.certificate,
    stop: async () => {
      server.close();
      server.closeAllConnections();
      agent.destroy();
    },
  };
}
