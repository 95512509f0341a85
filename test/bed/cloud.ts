import { once } from "node:events";
import type { IncomingHttpHeaders } from "node:http";
import { createServer } from "node:https";
import type { Endpoints } from "../../lib/identity/identity.ts";
import { createCertificateAuthority, issueCertificate } from "../../lib/platform/local/certificate.ts";

/** A request as a cloud's API gets it. */
export type CloudCall = { method: string; path: string; headers: IncomingHttpHeaders; body: string };

/** What a cloud answers: an object as JSON. A status of 200 where none is given. */
export type CloudAnswer = { status?: number; body: unknown };

/** The APIs of clouds on this machine, over TLS. Each test says what they answer, and sees every request that came. */
export type FakeCloud = {
  /** `https://127.0.0.1:<port>` */
  url: string;
  /** PEM. */
  certificateAuthority: string;
  /** All clouds at this one address. */
  endpoints: Endpoints;
  calls: CloudCall[];
  /** By `<method> <path without query>`; a path that is absent answers 404. */
  answers: Map<string, (call: CloudCall) => CloudAnswer | Promise<CloudAnswer>>;
  close(): Promise<void>;
};

/** Starts one, without any answer. */
export async function startFakeCloud(): Promise<FakeCloud> {
  const authority = createCertificateAuthority("clouds");
  const { certificate, key } = issueCertificate(authority, { names: ["127.0.0.1", "localhost"] });
  const calls: CloudCall[] = [];
  const answers: FakeCloud["answers"] = new Map();
  const server = createServer({ cert: certificate, key }, async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { method = "", url: path = "", headers } = request;
    const call = { method, path, headers, body: Buffer.concat(chunks).toString("utf8") };
    calls.push(call);
    const answer = answers.get(`${method} ${path.replace(/\?.*/, "")}`) ?? (() => ({ status: 404, body: {} }));
    const { status = 200, body } = await answer(call);
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  const url = `https://127.0.0.1:${address.port}`;
  const azure = { entra: url, azureManagement: url };
  const google = { googleSts: url, googleIamCredentials: url, googleContainer: url };
  return {
    url,
    endpoints: { sts: url, eks: url, ...azure, ...google },
    certificateAuthority: authority.certificate,
    calls,
    answers,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** The claims of a JWT, unverified. */
export function claimsOf(jwt: string): { [claim: string]: unknown } {
  return JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString("utf8"));
}
