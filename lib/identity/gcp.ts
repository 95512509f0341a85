import { isFields } from "../text/fields.ts";
import { askCloud, formBody, parseAnswer, textField } from "./cloud-request.ts";
import { claimsOf } from "./generic.ts";
import {
  type AccessToken,
  type CloudIdentity,
  type CloudOptions,
  IdentityError,
  type RequestToken,
  type ServiceAccount,
} from "./identity.ts";

const emailAnnotation = "iam.gke.io/gcp-service-account";
const emailPattern = String.raw`^[a-zA-Z0-9-]{1,100}@[a-zA-Z0-9-]{1,100}\.iam\.gserviceaccount\.com$`;
const providerAnnotation = "gcp.auth.fluxcd.io/workload-identity-provider";
const providerPattern = String.raw`^projects/\d{1,30}/locations/global/workloadIdentityPools/[^/]{1,100}/providers/[^/]{1,100}$`;
const gkeIssuer = /^https:\/\/container\.googleapis\.com\/v1\/projects\/([^/]+)\/locations\/[^/]+\/clusters\/[^/]+$/;
/** What the token may be used for: rights themselves are IAM's business. */
const scopes = ["https://www.googleapis.com/auth/cloud-platform", "https://www.googleapis.com/auth/userinfo.email"];
/** How long an impersonated service account's token lasts, in seconds. */
const lifetimeSeconds = 3600;

/**
 * A token of Google Cloud (KS-103): the ServiceAccount's token is exchanged at the Security Token Service, for the workload
 * identity provider in its annotation `gcp.auth.fluxcd.io/workload-identity-provider`, or that of the GKE cluster that issued it;
 * with `iam.gke.io/gcp-service-account` the result acts as that Google service account. The deployment has no identity of its
 * own in Google Cloud. Throws an IdentityError.
 */
export async function gcpToken(identity: CloudIdentity, options: CloudOptions): Promise<AccessToken> {
  if (identity.type === "own")
    throw new IdentityError(
      "this deployment of Sluice has no identity of its own in Google Cloud: name a service account that has one",
    );
  const { provider, email } = gcpIdentityOf(identity.account);
  const { audience, accepts } = provider ?? (await gkeProvider(identity.requestToken));
  const subject = await identity.requestToken([accepts]);
  // Google's own clients ask for the right to impersonate alone where another account's token is what they are after.
  const federated = await exchange(subject, audience, email === undefined ? scopes : scopes.slice(0, 1), options);
  return email === undefined ? federated : impersonate(federated.token, email, options);
}

/** A workload identity provider: as the Security Token Service names it, and the audience of the tokens that it accepts. */
type Provider = { audience: string; accepts: string };

/**
 * The provider of a GKE cluster, which issues its tokens under its own name. Flux asks the metadata service of its node for that name;
 * a function has no such node, and reads it in a token.
 */
async function gkeProvider(requestToken: RequestToken): Promise<Provider> {
  const issuer = claimsOf(await requestToken([]))?.iss;
  const [, project] = typeof issuer === "string" ? (gkeIssuer.exec(issuer) ?? []) : [];
  if (project === undefined)
    throw new IdentityError(
      `the cluster is not one of GKE, and the service account has no annotation ${providerAnnotation} that names its workload identity provider`,
    );
  const accepts = `${project}.svc.id.goog`;
  return { audience: `identitynamespace:${accepts}:${issuer}`, accepts };
}

/** Whom a ServiceAccount stands for in Google Cloud. Throws an IdentityError where an annotation is not well-formed. */
export function gcpIdentityOf({ annotations }: ServiceAccount): {
  provider: Provider | undefined;
  email: string | undefined;
} {
  const email = annotations[emailAnnotation] ?? "";
  if (email !== "" && !new RegExp(emailPattern).test(email))
    throw new IdentityError(`invalid ${emailAnnotation} annotation: '${email}'. must match ${emailPattern}`);
  const provider = annotations[providerAnnotation] ?? "";
  const who = email === "" ? undefined : email;
  if (provider === "") return { provider: undefined, email: who };
  if (!new RegExp(providerPattern).test(provider))
    throw new IdentityError(`invalid ${providerAnnotation} annotation: '${provider}'. must match ${providerPattern}`);
  const audience = `//iam.googleapis.com/${provider}`;
  return { provider: { audience, accepts: audience }, email: who };
}

/** RFC 8693 at https://sts.googleapis.com/v1/token. */
async function exchange(
  subject: string,
  audience: string,
  scope: readonly string[],
  options: CloudOptions,
): Promise<AccessToken> {
  const askedAt = Date.now();
  const answer = await askCloud(
    {
      method: "POST",
      url: `${options.endpoints?.googleSts ?? "https://sts.googleapis.com"}/v1/token`,
      ...formBody({
        audience,
        grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
        requested_token_type: "urn:ietf:params:oauth:token-type:access_token",
        subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
        subject_token: subject,
        scope: scope.join(" "),
      }),
    },
    options,
  );
  const parsed = parseAnswer(answer.body);
  const token = textField(parsed, "access_token");
  if (answer.status !== 200 || token === undefined) {
    const error = textField(parsed, "error") ?? `status ${answer.status}`;
    const description = textField(parsed, "error_description") ?? "";
    throw new IdentityError(
      `Google's Security Token Service refused the service account's token: ${error}: ${description}`,
    );
  }
  return { token, expiresAt: new Date(askedAt + Number(parsed?.expires_in ?? 0) * 1000) };
}

/** IAM Credentials API, projects.serviceAccounts.generateAccessToken. */
async function impersonate(token: string, email: string, options: CloudOptions): Promise<AccessToken> {
  const base = options.endpoints?.googleIamCredentials ?? "https://iamcredentials.googleapis.com";
  const answer = await askCloud(
    {
      method: "POST",
      url: `${base}/v1/projects/-/serviceAccounts/${email}:generateAccessToken`,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ lifetime: `${lifetimeSeconds}s`, scope: scopes }),
    },
    options,
  );
  const parsed = parseAnswer(answer.body);
  const accessToken = textField(parsed, "accessToken");
  const expiresAt = new Date(textField(parsed, "expireTime") ?? "");
  if (answer.status !== 200 || accessToken === undefined || Number.isNaN(expiresAt.getTime())) {
    const error = isFields(parsed?.error) ? parsed.error : undefined;
    throw new IdentityError(
      `Google refused to let the service account act as ${email}: ${textField(error, "message") ?? `status ${answer.status}`}`,
    );
  }
  return { token: accessToken, expiresAt };
}
