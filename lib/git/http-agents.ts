import { createHash } from "node:crypto";
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { createSecureContext, getCACertificates } from "node:tls";
import { GitError } from "./git-error.ts";

/** PEM texts: an authority to trust besides the system's, and a certificate with its key to show to the server. */
export type GitTls = { certificateAuthority?: string; certificate?: string; key?: string };

const options = { keepAlive: true, maxSockets: 16, maxFreeSockets: 4, timeout: 60_000 };
const plain = new HttpAgent(options);
/** Different authorities or certificates never share a connection (GE-015): each pair of them has an agent of its own. */
const agents = new Map<string, HttpsAgent>();
const agentLimit = 32;

/** Kept-alive connections over HTTP. */
export function httpAgent(): HttpAgent {
  return plain;
}

/** Kept-alive connections by these certificates (GIT-055, SEC-003). Throws GitError `invalid` where they cannot be read. */
export function httpsAgent(tls: GitTls): HttpsAgent {
  const key = createHash("sha256")
    .update(JSON.stringify([tls.certificateAuthority, tls.certificate, tls.key]))
    .digest("hex");
  const known = agents.get(key);
  const agent = known ?? new HttpsAgent({ ...options, ...secureContext(tls) });
  // The map is in the order of use: the one used longest ago goes first.
  agents.delete(key);
  agents.set(key, agent);
  for (const [oldest, unused] of agents) {
    if (agents.size <= agentLimit) break;
    agents.delete(oldest);
    unused.destroy();
  }
  return agent;
}

function secureContext({ certificateAuthority, certificate, key }: GitTls): object {
  if (certificateAuthority === undefined && certificate === undefined) return {};
  try {
    return {
      secureContext: createSecureContext({
        ...(certificateAuthority === undefined ? {} : { ca: [...getCACertificates("default"), certificateAuthority] }),
        ...(certificate === undefined || key === undefined ? {} : { cert: certificate, key }),
      }),
    };
  } catch {
    // OpenSSL's own words may quote what it could not read.
    throw new GitError(
      "invalid",
      "tls: the certificate authority, the certificate or its key is not valid PEM, or they do not belong together",
    );
  }
}
