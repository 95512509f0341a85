import { awsEndpoint } from "../../identity/aws.ts";
import type { AwsCredentials } from "../../platform/ports.ts";
import { isFields } from "../../text/fields.ts";
import type { AwsKmsKey, KeyService } from "../keys.ts";
import { askAws } from "./aws-request.ts";
import { readEntry } from "./secret-entry.ts";
import {
  askedOnce,
  base64Bytes,
  bounded,
  complaint,
  connected,
  fieldsOf,
  form,
  type ServiceConnection,
  textOf,
  within,
} from "./service-call.ts";

/** Other addresses than AWS's own, by service: for a test, or a private endpoint. Never of a file's choice. */
export type AwsEndpoints = { kms?: string; sts?: string };

export type AwsKmsOptions = ServiceConnection & {
  /** Credentials for the region of a key. */
  credentials: (region: string, signal: AbortSignal) => Promise<AwsCredentials>;
  /** Who asks, in the name of the session of an assumed role: `<namespace>.<name>` of the Kustomization. */
  session: string;
  endpoints?: AwsEndpoints;
};

type ConnectedOptions = AwsKmsOptions & Required<ServiceConnection>;

/** The name of the Secret's entry with static credentials (KS-096). */
export const awsEntry = "sops.aws-kms";

/**
 * Decrypts with AWS KMS (KS-100): in the region that the key's ARN names, with the encryption context and as the role of the
 * file's metadata. The metadata's `aws_profile` is of the machine that encrypted, and is not looked at.
 */
export function awsKms(given: AwsKmsOptions): KeyService<AwsKmsKey> {
  const options = connected(given);
  const once = askedOnce<AwsCredentials>();
  return async (key, caller) => {
    const signal = bounded(caller);
    const ciphertext = base64Bytes(key.enc, "base64", "the encrypted data key");
    const region = regionOf(key.arn);
    const own = () => once(region, () => options.credentials(region, signal));
    const credentials =
      key.role === ""
        ? await own()
        : await once(`${region} ${key.role}`, async () => assumeRole(key.role, region, await own(), options, signal));
    return decrypt(key, ciphertext, region, credentials, options, signal);
  };
}

/** Reads `sops.aws-kms`: YAML with `aws_access_key_id`, `aws_secret_access_key`, `aws_session_token`. Throws EntryInvalid. */
export function parseAwsEntry(text: string): () => Promise<AwsCredentials> {
  const fields = readEntry(awsEntry, text, "AWS credentials file");
  const accessKeyId = fields.get("aws_access_key_id") ?? "";
  const secretAccessKey = fields.get("aws_secret_access_key") ?? "";
  const sessionToken = fields.get("aws_session_token") ?? "";
  return async () => {
    if (accessKeyId === "" || secretAccessKey === "")
      throw new Error(
        `static credentials are empty: '${awsEntry}' needs aws_access_key_id and aws_secret_access_key of the decryption Secret`,
      );
    return { accessKeyId, secretAccessKey, ...(sessionToken === "" ? {} : { sessionToken }) };
  };
}

/**
 * The region in a key's ARN. It becomes a part of the host that gets the request, so it must look like a region: a file could
 * name any host otherwise. Throws.
 */
export function regionOf(arn: string): string {
  const region = /^arn:aws[\w-]*:kms:(.+):[0-9]+:(key|alias)\/.+$/.exec(arn)?.[1];
  if (region === undefined) throw new Error(`no valid ARN found in '${arn.slice(0, 300)}'`);
  if (!/^[a-z]{2,}(-[a-z]+)+-\d{1,2}$/.test(region))
    throw new Error(`no valid ARN found in '${arn.slice(0, 300)}': '${region.slice(0, 100)}' is not an AWS region`);
  return region;
}

async function decrypt(
  key: AwsKmsKey,
  ciphertext: Uint8Array,
  region: string,
  credentials: AwsCredentials,
  options: ConnectedOptions,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const failed = (why: string) => new Error(`failed to decrypt sops data key with AWS KMS: ${why}`);
  const answer = await askAws(
    {
      service: "kms",
      region,
      endpoint: options.endpoints?.kms ?? awsEndpoint("kms", region),
      headers: { "content-type": "application/x-amz-json-1.1", "x-amz-target": "TrentService.Decrypt" },
      body: JSON.stringify({
        KeyId: key.arn,
        CiphertextBlob: Buffer.from(ciphertext).toString("base64"),
        ...(key.context.size === 0 ? {} : { EncryptionContext: Object.fromEntries(key.context) }),
      }),
    },
    credentials,
    options.exchange,
    signal,
  );
  const fields = fieldsOf(answer);
  const plaintext = textOf(fields, "Plaintext");
  if (answer.status === 200 && plaintext !== undefined)
    return base64Bytes(plaintext, "base64", "the answer of AWS KMS");
  // `com.amazonaws.kms#NotFoundException` in some answers.
  const code = complaint(fields, "__type").replace(/^.*#/, "");
  const message = complaint(fields, "message") || complaint(fields, "Message");
  throw failed(sentence(code === "" ? `status ${answer.status}` : code, message));
}

/** STS AssumeRole in the key's region, as SOPS does it for a key with a role. */
async function assumeRole(
  role: string,
  region: string,
  credentials: AwsCredentials,
  options: ConnectedOptions,
  signal: AbortSignal,
): Promise<AwsCredentials> {
  const failed = (why: string) => new Error(`failed to assume role '${role.slice(0, 300)}': ${why}`);
  const answer = await askAws(
    {
      service: "sts",
      region,
      endpoint: options.endpoints?.sts ?? awsEndpoint("sts", region),
      ...form({
        Action: "AssumeRole",
        Version: "2011-06-15",
        RoleArn: role,
        RoleSessionName: sessionName(options.session),
      }),
    },
    credentials,
    options.exchange,
    signal,
  );
  const fields = fieldsOf(answer);
  const given = within(fields, "AssumeRoleResponse", "AssumeRoleResult", "Credentials");
  const accessKeyId = textOf(given, "AccessKeyId");
  const secretAccessKey = textOf(given, "SecretAccessKey");
  const sessionToken = textOf(given, "SessionToken");
  if (answer.status === 200 && accessKeyId !== undefined && secretAccessKey !== undefined && sessionToken !== undefined)
    return { accessKeyId, secretAccessKey, sessionToken };
  const error = isFields(fields.Error) ? fields.Error : {};
  throw failed(sentence(complaint(error, "Code") || `status ${answer.status}`, complaint(error, "Message")));
}

/** STS allows 64 characters of `[\w+=,.@-]`. */
function sessionName(who: string): string {
  return `sops@${who.replace(/[^\w=,.@-]+/g, "")}`.slice(0, 64);
}

function sentence(code: string, message: string): string {
  return message === "" ? code : `${code}: ${message}`;
}
