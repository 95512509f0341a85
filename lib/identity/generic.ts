import { parseAnswer } from "./cloud-request.ts";
import { type AccessToken, type CloudIdentity, IdentityError } from "./identity.ts";

/**
 * The ServiceAccount's own token, for whoever trusts the issuer of the home cluster (KS-215). Throws an IdentityError where the
 * identity is none of a ServiceAccount.
 */
export async function serviceAccountToken(identity: CloudIdentity, audiences: readonly string[]): Promise<AccessToken> {
  if (identity.type === "own") throw new IdentityError("a token of a service account needs a service account");
  const token = await identity.requestToken(audiences);
  return { token, expiresAt: expiryOf(token) };
}

/** What a JWT says (RFC 7519), unverified: it comes from who issued it. */
export function claimsOf(token: string): { [claim: string]: unknown } | undefined {
  return parseAnswer(Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8"));
}

/** When a JWT ends (RFC 7519, `exp`); its signature is the business of who takes it. */
function expiryOf(token: string): Date {
  const claims = claimsOf(token);
  if (typeof claims?.exp !== "number")
    throw new IdentityError("failed to get expiration time from service account token");
  return new Date(claims.exp * 1000);
}
