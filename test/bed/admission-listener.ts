import { once } from "node:events";
import { createServer } from "node:https";
import { createCertificateAuthority, issueCertificate } from "../../lib/platform/local/certificate.ts";

/** One call of the API server: what it says of the write that it is about to store. */
export type AdmissionCall = {
  path: string;
  operation: string;
  apiVersion: string;
  kind: string;
  name: string;
  generation: number | undefined;
};

/** A server that remembers every admission call, and says yes to those that it was given no reason to refuse. */
export type AdmissionListener = {
  /** `https://127.0.0.1:<port>` */
  url: string;
  /** PEM. */
  certificateAuthority: string;
  calls: AdmissionCall[];
  close(): Promise<void>;
};

type Review = {
  request: {
    uid: string;
    operation: string;
    name: string;
    kind: { group: string; version: string; kind: string };
    object: { metadata: { name: string; generation?: number } } | null;
  };
};

/** Starts the server on a free port of the loopback interface. `refusal` may give the text with which a call is refused. */
export async function startAdmissionListener(
  refusal: (call: AdmissionCall) => string | undefined = () => undefined,
): Promise<AdmissionListener> {
  const authority = createCertificateAuthority("admission");
  const { certificate, key } = issueCertificate(authority, { names: ["127.0.0.1"] });
  const calls: AdmissionCall[] = [];
  const server = createServer({ cert: certificate, key }, async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    // The API server is the only client, and this is the shape that it documents.
    const { request: asked } = JSON.parse(body) as Review;
    const { group, version, kind } = asked.kind;
    const call: AdmissionCall = {
      path: request.url ?? "",
      operation: asked.operation,
      apiVersion: group === "" ? version : `${group}/${version}`,
      kind,
      name: asked.name === "" ? (asked.object?.metadata.name ?? "") : asked.name,
      generation: asked.object?.metadata.generation,
    };
    calls.push(call);
    const message = refusal(call);
    // As webhooks of controller-runtime refuse.
    const refused = { allowed: false, status: { code: 403, reason: "Forbidden", message } };
    const verdict = message === undefined ? { allowed: true } : refused;
    const answer = { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview" };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ ...answer, response: { uid: asked.uid, ...verdict } }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the admission listener has no port");
  return {
    url: `https://127.0.0.1:${address.port}`,
    certificateAuthority: authority.certificate,
    calls,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
