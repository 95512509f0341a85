import type { AwsCredentials } from "../platform/ports.ts";
import { messageOf } from "../text/error-message.ts";
import { isFields } from "../text/fields.ts";
import { askCloud, formBody, parseAnswer, textField } from "./cloud-request.ts";
import { type CloudIdentity, type CloudOptions, IdentityError, type ServiceAccount } from "./identity.ts";

/** Audience of the token that STS takes. */
const audience = "sts.amazonaws.com";
const roleAnnotation = "eks.amazonaws.com/role-arn";
const rolePattern = String.raw`^arn:aws[\w-]*:iam::[0-9]{1,30}:role/.{1,200}$`;
const regionPattern = /^[a-z]{2,}(-[a-z0-9]+)+$/;

/**
 * AWS credentials of an identity, for use in a region (KS-103): the deployment's own, or those that STS gives for the role in
 * the ServiceAccount's annotation `eks.amazonaws.com/role-arn` (AssumeRoleWithWebIdentity). Throws an IdentityError.
 */
export async function awsCredentials(
  identity: CloudIdentity,
  region: string,
  options: CloudOptions,
): Promise<AwsCredentials> {
  if (identity.type === "own") {
    if (identity.ownAws === undefined)
      throw new IdentityError(
        "this deployment of Sluice has no AWS credentials of its own: name a service account that has a role",
      );
    try {
      return await identity.ownAws();
    } catch (error) {
      throw new IdentityError(`failed to create provider access token for the controller: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }
  const { account, requestToken } = identity;
  const role = roleOf(account);
  if (region === "")
    throw new IdentityError(
      "an AWS region is required for authenticating with a service account. please configure one in the object spec",
    );
  const token = await requestToken([audience]);
  return assumeRole({ role, region, session: sessionName(account, region), token }, options);
}

/** The role that a ServiceAccount names. Throws an IdentityError where it names none. */
export function roleOf({ annotations }: ServiceAccount): string {
  const role = annotations[roleAnnotation] ?? "";
  if (!new RegExp(rolePattern).test(role))
    throw new IdentityError(`invalid ${roleAnnotation} annotation: '${role}'. must match ${rolePattern}`);
  return role;
}

/** STS allows 64 characters of `[\w+=,.@-]`: a longer name keeps its end, where region and origin are. */
function sessionName({ name, namespace }: ServiceAccount, region: string): string {
  return `${name}.${namespace}.${region}.fluxcd.io`.slice(-64);
}

async function assumeRole(
  { role, region, session, token }: { role: string; region: string; session: string; token: string },
  options: CloudOptions,
): Promise<AwsCredentials> {
  const answer = await askCloud(
    {
      method: "POST",
      url: `${options.endpoints?.sts ?? awsEndpoint("sts", region)}/`,
      ...formBody({
        Action: "AssumeRoleWithWebIdentity",
        Version: "2011-06-15",
        RoleArn: role,
        RoleSessionName: session,
        WebIdentityToken: token,
      }),
    },
    options,
  );
  const parsed = parseAnswer(answer.body);
  if (answer.status !== 200) {
    const error = isFields(parsed?.Error) ? parsed.Error : undefined;
    const code = textField(error, "Code") ?? `status ${answer.status}`;
    const message = textField(error, "Message") ?? "";
    throw new IdentityError(`STS refused AssumeRoleWithWebIdentity for ${role}: ${code}: ${message}`.trimEnd());
  }
  const response = isFields(parsed?.AssumeRoleWithWebIdentityResponse) ? parsed.AssumeRoleWithWebIdentityResponse : {};
  const result = isFields(response.AssumeRoleWithWebIdentityResult) ? response.AssumeRoleWithWebIdentityResult : {};
  const credentials = isFields(result.Credentials) ? result.Credentials : {};
  const accessKeyId = textField(credentials, "AccessKeyId");
  const secretAccessKey = textField(credentials, "SecretAccessKey");
  const sessionToken = textField(credentials, "SessionToken");
  if (accessKeyId === undefined || secretAccessKey === undefined || sessionToken === undefined)
    throw new IdentityError("credentials are nil");
  return { accessKeyId, secretAccessKey, sessionToken, expiresAt: expiryOf(credentials.Expiration) };
}

/** In JSON, STS gives seconds since 1970; some that speak its language give them as text, or a date. */
function expiryOf(value: unknown): Date {
  const isSeconds = typeof value === "number" || (typeof value === "string" && /^[0-9.]+(E[0-9]+)?$/.test(value));
  const date = isSeconds ? new Date(Number(value) * 1000) : new Date(typeof value === "string" ? value : "");
  return Number.isNaN(date.getTime()) ? new Date(0) : date;
}

/** `https://<service>.<region>.<suffix of the region's partition>`. Throws an IdentityError where that is no region. */
export function awsEndpoint(service: string, region: string): string {
  if (!regionPattern.test(region)) throw new IdentityError(`'${region}' is not an AWS region`);
  const suffixes: Record<string, string> = {
    "cn-": "amazonaws.com.cn",
    "eusc-": "amazonaws.eu",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "eu-isoe-": "cloud.adc-e.uk",
    "us-isof-": "csp.hci.ic.gov",
  };
  const suffix = Object.entries(suffixes).find(([prefix]) => region.startsWith(prefix))?.[1] ?? "amazonaws.com";
  return `https://${service}.${region}.${suffix}`;
}
