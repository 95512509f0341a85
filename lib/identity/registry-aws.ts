import { isFields } from "../text/fields.ts";
import { awsEndpoint } from "./aws.ts";
import { awsSigner, signedHeaders } from "./aws-signature.ts";
import { askCloud, parseAnswer, textField } from "./cloud-request.ts";
import { type AwsCredentials, type CloudOptions, IdentityError } from "./identity.ts";
import type { RegistryLogin } from "./registry-login.ts";

/** Amazon's pattern, as Flux tells it. */
const told = String.raw`([0-9+]*).dkr[.-]ecr(?:-fips)?\.([^/.]*)\.(amazonaws\.com[.cn]*|amazonaws\.eu|sc2s\.sgov\.gov|c2s\.ic\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov|on\.aws)`;
/** The same for a whole host: what only contains it belongs to somebody else, who must not get the token. */
const hostPattern =
  /^[0-9]+\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|amazonaws\.eu|sc2s\.sgov\.gov|c2s\.ic\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov|on\.aws)(?::443)?$/;
const publicRegistry = "public.ecr.aws";

/** The region of a host of ECR, or `public.ecr.aws` for the public registry (OCI-020). Throws an IdentityError. */
export function ecrRegion(host: string): string {
  if (host === publicRegistry) return publicRegistry;
  const region = hostPattern.exec(host)?.[1];
  if (region === undefined) throw new IdentityError(`invalid AWS registry: '${host}'. must match ${told}`);
  return region;
}

/**
 * GetAuthorizationToken of Amazon ECR in a region, or of the public registry, which is in us-east-1 alone. The token is for every
 * registry of any account that lets the identity in. Throws an IdentityError.
 */
export async function ecrLogin(
  region: string,
  credentials: AwsCredentials,
  options: CloudOptions,
): Promise<RegistryLogin> {
  const isPublic = region === publicRegistry;
  const [service, home, target] = isPublic
    ? ["ecr-public", "us-east-1", "SpencerFrontendService.GetAuthorizationToken"]
    : ["ecr", region, "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"];
  const url = `${options.endpoints?.ecr ?? awsEndpoint(`api.${service}`, home)}/`;
  const body = "{}";
  const headers = { "content-type": "application/x-amz-json-1.1", "x-amz-target": target };
  const signed = await signedHeaders(awsSigner(service, home, credentials), { method: "POST", url, headers, body });
  const answer = await askCloud({ method: "POST", url, headers: signed, body }, options);
  const parsed = parseAnswer(answer.body);
  if (answer.status !== 200) {
    const code = textField(parsed, "__type")?.replace(/^.*#/, "") ?? `status ${answer.status}`;
    const message = textField(parsed, "message") ?? textField(parsed, "Message") ?? "";
    throw new IdentityError(`ECR refused GetAuthorizationToken: ${code}: ${message}`.trimEnd());
  }
  const found = parsed?.authorizationData;
  const data: unknown = Array.isArray(found) ? found[0] : found;
  if (!isFields(data)) throw new IdentityError("no authorization data returned");
  const token = textField(data, "authorizationToken");
  if (token === undefined) throw new IdentityError("authorization token is nil");
  const expiresAt = new Date(typeof data.expiresAt === "number" ? data.expiresAt * 1000 : String(data.expiresAt));
  if (Number.isNaN(expiresAt.getTime())) throw new IdentityError("authorization token expiration is nil");
  const [username = "", password, ...more] = Buffer.from(token, "base64").toString("utf8").split(":");
  if (password === undefined || more.length > 0) throw new IdentityError("invalid authorization token format");
  return { username, password, expiresAt };
}
