import { once } from "node:events";
import { createServer, request } from "node:https";
import { createCertificateAuthority, issueCertificate } from "../../lib/platform/local/certificate.ts";
import type { BedCluster } from "./parts.ts";

/** An API server that knows its users as a cloud's does: whoever is let in is the administrator of the one behind it. */
export type AuthenticatingFront = {
  /** `https://127.0.0.1:<port>` */
  url: string;
  /** PEM. */
  certificateAuthority: string;
  /** The bearer tokens that came, in order. */
  tokens: string[];
  close(): Promise<void>;
};

/** Stands before a control plane and asks `isKnown` about each bearer token: 401 where it says no. */
export async function startAuthenticatingFront(
  cluster: BedCluster,
  isKnown: (token: string) => boolean | Promise<boolean>,
): Promise<AuthenticatingFront> {
  const authority = createCertificateAuthority("managed cluster");
  const { certificate, key } = issueCertificate(authority, { names: ["127.0.0.1"] });
  const tokens: string[] = [];
  const server = createServer({ cert: certificate, key }, async (incoming, response) => {
    const token = (incoming.headers.authorization ?? "").replace(/^Bearer /, "");
    tokens.push(token);
    if (!(await isKnown(token))) {
      const status = {
        kind: "Status",
        apiVersion: "v1",
        status: "Failure",
        message: "Unauthorized",
        reason: "Unauthorized",
      };
      response.writeHead(401, { "content-type": "application/json" }).end(JSON.stringify({ ...status, code: 401 }));
      return;
    }
    const { host: _, ...headers } = incoming.headers;
    const passing = request(`${cluster.url}${incoming.url}`, {
      method: incoming.method,
      ca: cluster.certificateAuthority,
      headers: { ...headers, authorization: `Bearer ${cluster.token}` },
    });
    passing.on("response", (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    passing.on("error", () => response.destroy());
    incoming.pipe(passing);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return {
    url: `https://127.0.0.1:${address.port}`,
    certificateAuthority: authority.certificate,
    tokens,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
