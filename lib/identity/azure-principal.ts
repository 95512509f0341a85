import { constants, randomUUID, sign } from "node:crypto";
import type { Exchange } from "../platform/exchange.ts";
import { messageOf } from "../text/error-message.ts";
import { cloudOf } from "./azure-clouds.ts";
import type { ClientCertificate } from "./client-certificate.ts";
import { formBody, readTokenAnswer } from "./cloud-request.ts";
import { type AccessToken, IdentityError } from "./identity.ts";

/** How a client proves to Entra ID that it is the one: a secret, or a certificate's key. */
export type AzureProof = { secret: string } | { certificate: ClientCertificate; sendChain: boolean };

/** A service principal. `authority` is the address of one of Azure's clouds (`https://login.microsoftonline.com`). */
export type AzurePrincipal = { authority: string; tenant: string; client: string; proof: AzureProof };

/** Where the tokens of a principal are asked for. Throws IdentityError for a tenant or an authority that is none. */
export function principalAddress({ authority, tenant }: AzurePrincipal): URL {
  if (!/^[0-9A-Za-z.-]{1,255}$/.test(tenant) || /^\.+$/.test(tenant))
    throw new IdentityError(
      "invalid tenantID. You can locate your tenantID by following the instructions listed here: https://learn.microsoft.com/partner-center/find-ids-and-domain-names",
    );
  try {
    cloudOf(authority);
  } catch (error) {
    throw new IdentityError(messageOf(error));
  }
  return new URL(`/${tenant}/oauth2/v2.0/token`, authority);
}

/** A token for a scope by OAuth 2.0 client credentials (RFC 6749, 4.4). Rejects with a sentence for the user. */
export async function principalToken(
  principal: AzurePrincipal,
  scope: string,
  exchange: Exchange,
  signal: AbortSignal,
): Promise<AccessToken> {
  const { tenant, client } = principal;
  const url = principalAddress(principal);
  const askedAt = Date.now();
  const { headers = {}, body = "" } = formBody({
    grant_type: "client_credentials",
    client_id: client,
    scope,
    ...proofOf(principal, url),
  });
  const sent = { method: "POST" as const, url, headers: { ...headers, accept: "application/json" }, body };
  const answer = readTokenAnswer(await exchange(sent, signal), askedAt);
  if ("granted" in answer) return answer.granted;
  const { code, description } = answer.refused;
  throw new IdentityError(
    `Entra ID refused a token for client ${client.slice(0, 100)} of tenant ${tenant}: ${code}: ${description}`.replace(
      /: $/,
      "",
    ),
  );
}

function proofOf({ client, proof }: AzurePrincipal, audience: URL): Record<string, string> {
  if ("secret" in proof) return { client_secret: proof.secret };
  return {
    client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    client_assertion: clientAssertion(proof.certificate, client, audience.href, proof.sendChain),
  };
}

/** Ten minutes, in seconds. */
const assertionLifetime = 600;

/** What proves a certificate's key to Entra ID: a JWT that names the certificate by its SHA-256 (RFC 7515, 4.1.8). */
function clientAssertion(
  { key, chain }: ClientCertificate,
  client: string,
  audience: string,
  sendChain: boolean,
): string {
  const now = Math.floor(Date.now() / 1000);
  const [own] = chain;
  if (own === undefined) throw new Error("a client certificate is needed");
  const header = {
    alg: "PS256",
    typ: "JWT",
    "x5t#S256": Buffer.from(own.fingerprint256.replaceAll(":", ""), "hex").toString("base64url"),
    ...(sendChain ? { x5c: chain.map(({ raw }) => raw.toString("base64")) } : {}),
  };
  const claims = {
    aud: audience,
    iss: client,
    sub: client,
    jti: randomUUID(),
    iat: now,
    nbf: now,
    exp: now + assertionLifetime,
  };
  const text = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  const signature = sign("sha256", Buffer.from(text), {
    key,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: 32,
  });
  return `${text}.${signature.toString("base64url")}`;
}
