import type { Bucket } from "../../api/bucket.ts";
import { ldapCredentials } from "../../bucket/ldap-credentials.ts";
import { s3Store } from "../../bucket/s3.ts";
import { awsCredentials } from "../../identity/aws.ts";
import { serviceExchange } from "../../platform/exchange.ts";
import type { Outbound } from "../../platform/outbound.ts";
import type { AwsCredentials, Json } from "../../platform/ports.ts";
import { messageOf } from "../../text/error-message.ts";
import { keptToken } from "../source/kept-token.ts";
import { keptAwsCredentials, sourceIdentity } from "../source/provider-identity.ts";
import type { SecretData } from "../source/secrets.ts";
import { SourceFailure } from "../source/source-failure.ts";
import { type AccessContext, type OpenBucket, proxied, textIn, whileValid } from "./access.ts";
import type { BucketSecrets } from "./secrets.ts";

/** The providers `generic` and `aws` (BKT-020 to BKT-026). */
export const openS3: OpenBucket = async (object, secrets, context) => {
  const { endpoint, bucketName, region, insecure = false, secretRef } = object.spec;
  checkSecret(secretRef?.name ?? "", secrets.own);
  checkTokenService(object, secrets);
  const tls = insecure || secrets.tls === undefined ? {} : { tls: secrets.tls };
  const outbound: Outbound = { ...proxied(secrets, context), ...tls };
  const { credentials, who, hidden } = await credentialsOf(object, secrets, context);
  const store = s3Store({
    endpoint,
    bucket: bucketName,
    ...(region === undefined ? {} : { region }),
    insecure,
    ...(credentials === undefined ? {} : { credentials }),
    outbound,
  });
  return { store, who: [who, JSON.stringify(outbound)], secrets: hidden };
};

/** BKT-020. */
function checkSecret(name: string, data: SecretData | undefined): void {
  if (data === undefined || (data.has("accesskey") && data.has("secretkey"))) return;
  throw new Error(`invalid '${name}' secret data: required fields 'accesskey' and 'secretkey'`);
}

/** BKT-024: what admission refuses already, where it was not asked. Throws SourceFailure. */
function checkTokenService({ spec }: Bucket, { sts: data }: BucketSecrets): void {
  const { provider = "generic", sts } = spec;
  if (sts === undefined) return;
  const invalid = (words: string) =>
    new SourceFailure("FetchFailed", "InvalidSTSConfiguration", words, { terminal: true });
  if (sts.provider !== (provider === "aws" ? "aws" : "ldap"))
    throw invalid(`STS provider '${sts.provider}' is not supported for '${provider}' bucket provider`);
  const notRequired = (field: string) =>
    invalid(`spec.sts.${field} is not required for the '${sts.provider}' STS provider`);
  if (sts.provider === "aws" && sts.secretRef !== undefined) throw notRequired("secretRef");
  if (sts.provider === "aws" && sts.certSecretRef !== undefined) throw notRequired("certSecretRef");
  if (!URL.canParse(sts.endpoint)) {
    const told = sts.endpoint
      .replace(/\/\/[^/]*@/, "//***@")
      .replace(/[?#].*$/s, "")
      .slice(0, 300);
    const words = `failed to parse STS endpoint '${told}': it is no URL`;
    throw new SourceFailure("FetchFailed", "URLInvalid", words, { terminal: true });
  }
  const isWhole = textIn(data, "username") !== "" && textIn(data, "password") !== "";
  if (sts.provider === "ldap" && data !== undefined && !isWhole)
    throw new Error(
      `invalid '${sts.secretRef?.name ?? ""}' secret data for 'ldap' STS provider: required fields username, password`,
    );
}

type Found = { credentials?: () => Promise<AwsCredentials>; who: Json; hidden: string[] };

async function credentialsOf(object: Bucket, secrets: BucketSecrets, context: AccessContext): Promise<Found> {
  const { provider = "generic", sts } = object.spec;
  if (secrets.own !== undefined) {
    const accessKeyId = textIn(secrets.own, "accesskey");
    const secretAccessKey = textIn(secrets.own, "secretkey");
    if (accessKeyId === "" || secretAccessKey === "") return { who: "anonymous", hidden: [] };
    const given = { accessKeyId, secretAccessKey };
    return { credentials: async () => given, who: ["static", accessKeyId, secretAccessKey], hidden: [secretAccessKey] };
  }
  if (provider === "aws") return ofIdentity(object, secrets, context);
  return sts?.provider === "ldap" ? ofDirectory(sts.endpoint, secrets, context) : { who: "anonymous", hidden: [] };
}

/** As Flux has it: a token of a ServiceAccount goes to STS and nobody else. */
const tokenServicePattern = String.raw`^https://(.+\.)?sts(-fips)?(\.[^.]+)?(\.vpce)?\.amazonaws\.com$`;

/** The pattern alone would take `https://evil.test/x.sts.amazonaws.com`: what matches must be an origin and nothing more. */
function isTokenService(endpoint: string): boolean {
  return new RegExp(tokenServicePattern).test(endpoint) && URL.parse(endpoint)?.origin === endpoint.toLowerCase();
}

/** BKT-021, BKT-025: the role of the function, or of a ServiceAccount. */
async function ofIdentity(object: Bucket, secrets: BucketSecrets, context: AccessContext): Promise<Found> {
  const { sts, region = "" } = object.spec;
  const outbound = proxied(secrets, context);
  try {
    if (sts !== undefined && !isTokenService(sts.endpoint))
      throw new Error(`invalid STS endpoint: '${sts.endpoint.slice(0, 300)}'. must match ${tokenServicePattern}`);
    const { signal, clouds } = context;
    const endpoints = { ...clouds?.endpoints, ...(sts === undefined ? {} : { sts: sts.endpoint }) };
    const options = { ...clouds, signal, outbound, endpoints };
    const identity = await sourceIdentity(context, object, "aws");
    const purpose = { provider: "aws" as const, for: ["s3", region, sts?.endpoint ?? ""], proxy: secrets.proxy };
    const credentials = whileValid(() =>
      keptAwsCredentials(context, identity, purpose, (who) => awsCredentials(who, region, options)),
    );
    await credentials();
    return { credentials, who: ["identity", identity.id], hidden: [] };
  } catch (error) {
    const words = messageOf(error);
    throw new Error(`AWS authentication failed: ${words}`, { cause: error });
  }
}

/** BKT-026: asked for when the bucket is, as minio-go does. */
function ofDirectory(endpoint: string, secrets: BucketSecrets, context: AccessContext): Found {
  const username = textIn(secrets.sts, "username");
  const password = textIn(secrets.sts, "password");
  const { stsTls } = secrets;
  const outbound: Outbound = { ...proxied(secrets, context), ...(stsTls === undefined ? {} : { tls: stsTls }) };
  const exchange = serviceExchange({ outbound });
  const key = ["ldap", endpoint, username, password, JSON.stringify(outbound)];
  const credentials = whileValid(async (): Promise<AwsCredentials> => {
    const kept = await keptToken(context, key, async () => {
      const given = await ldapCredentials({ endpoint, username, password }, exchange, context.signal);
      const { expiresAt = new Date(0), ...value } = given;
      return { value: { ...value, expiresAt: expiresAt.toISOString() }, expiresAt };
    });
    return { ...kept, expiresAt: new Date(kept.expiresAt) };
  });
  return { credentials, who: key, hidden: [password] };
}
