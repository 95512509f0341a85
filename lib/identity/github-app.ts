import { createPrivateKey, type KeyObject, sign } from "node:crypto";
import { messageOf } from "../text/error-message.ts";
import { askCloud, type CloudRequest, parseAnswer, textField } from "./cloud-request.ts";
import { type AccessToken, type CloudOptions, IdentityError } from "./identity.ts";

/** A GitHub App and where it is installed, as a Secret has it (GIT-062): exactly one of `owner` and `installation`. */
export type GitHubApp = {
  appId: string;
  privateKey: string;
  owner?: string;
  installation?: string;
  /** Of the API; that of github.com where it is absent. */
  baseUrl?: string;
};

/** The user that Git is told with an installation's token as password. */
export const gitHubAppUser = "x-access-token";

const publicApi = "https://api.github.com/";
/** How long the clocks of both sides may differ, and how long an App's own token lives, in seconds (GIT-063). */
const skew = 30;
const lifetime = 120;

/** The API answered otherwise than hoped. */
class Refused extends IdentityError {
  readonly status: number;
  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/**
 * A token of the App's installation (GIT-062, GIT-063). Throws an IdentityError that holds neither the key nor a token; where the
 * API refuses, it says so as Flux's client does: `<method> <url>: <status> <message> []`.
 */
export async function installationToken(app: GitHubApp, now: Date, options: CloudOptions): Promise<AccessToken> {
  const { appId, installation, owner } = checked(app);
  const authorization = `Bearer ${appToken(appId, readKey(app.privateKey), now)}`;
  const [base, other] = apiUrls(app.baseUrl);
  const from = async (api: string) => {
    const id = installation ?? (await findInstallation(owner ?? "", { base: api, authorization }, options));
    return grant(`${api}app/installations/${id}/access_tokens`, authorization, options);
  };
  try {
    return await from(base);
  } catch (error) {
    if (other === undefined || !(error instanceof Refused) || error.status !== 404) throw error;
    return from(other).catch(() => Promise.reject(error));
  }
}

async function grant(url: string, authorization: string, options: CloudOptions): Promise<AccessToken> {
  const granted = await ask({ method: "POST", url, headers: { authorization } }, 201, options);
  const token = textField(granted, "token");
  const expiresAt = new Date(textField(granted, "expires_at") ?? "");
  if (token === undefined || Number.isNaN(expiresAt.getTime()))
    throw new IdentityError(`POST ${url}: the answer holds no token`);
  return { token, expiresAt };
}

/** What Flux's client makes of an id that is no number: none. */
function checked({ appId, owner, installation, privateKey }: GitHubApp): {
  appId: string;
  owner: string | undefined;
  installation: string | undefined;
} {
  const need = (what: string) => new IdentityError(`${what} must be provided to use github app authentication`);
  const number = (text: string | undefined) => (/^[+-]?\d{1,19}$/.test(text ?? "") ? BigInt(text ?? 0) : 0n);
  const [id, place] = [number(appId), number(installation)];
  if (id === 0n) throw need("app ID");
  if (!owner && place === 0n) throw need("app installation owner or ID");
  if (owner && place !== 0n) throw need("only one of app installation owner or ID");
  if (privateKey === "") throw need("private key");
  return { appId: String(id), owner, installation: place === 0n ? undefined : String(place) };
}

function readKey(pem: string): KeyObject {
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType === "rsa") return key;
  } catch {
    // What it says may quote the key.
  }
  throw new IdentityError("could not parse private key: invalid key: Key must be a PEM encoded PKCS1 or PKCS8 key");
}

/** GIT-063: GitHub refuses fractions of seconds, and a token that it thinks is of the future. */
function appToken(issuer: string, key: KeyObject, now: Date): string {
  const issuedAt = Math.floor(now.getTime() / 1000) - skew;
  const parts = [
    { alg: "RS256", typ: "JWT" },
    { iss: issuer, exp: issuedAt + lifetime, iat: issuedAt },
  ];
  const signed = parts.map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  return `${signed}.${sign("sha256", Buffer.from(signed), key).toString("base64url")}`;
}

/**
 * Where the API is (GIT-063): below `/api/v3/` where it has no host of its own, as a GitHub Enterprise Server has it. A gateway may
 * serve it elsewhere: the address as it was given comes second.
 */
function apiUrls(text: string | undefined): [string, string?] {
  if (text === undefined || text === "") return [publicApi];
  const url = URL.parse(text.endsWith("/") ? text : `${text}/`);
  if (url === null || !/^https?:$/.test(url.protocol)) throw new IdentityError("invalid API URL");
  if (url.username !== "" || url.password !== "") throw new IdentityError("invalid API URL: it holds a user");
  const given = `${url.origin}${url.pathname}`;
  const isApi = url.host.startsWith("api.") || url.host.includes(".api.") || url.pathname.endsWith("/api/v3/");
  return isApi ? [given] : [`${given}api/v3/`, given];
}

/** The owner may be an organization or a user: which of them, only the API knows. */
async function findInstallation(
  owner: string,
  { base, authorization }: { base: string; authorization: string },
  options: CloudOptions,
): Promise<string> {
  const failures: string[] = [];
  let status = 404;
  for (const [path, kind] of [
    ["orgs", "organization"],
    ["users", "user"],
  ]) {
    const url = `${base}${path}/${encodeURIComponent(owner)}/installation`;
    try {
      const found = await ask({ method: "GET", url, headers: { authorization } }, 200, options);
      if (typeof found.id === "number") return String(found.id);
      failures.push(`failed to find ${kind} installation: GET ${url}: the answer holds no id`);
    } catch (error) {
      if (options.signal.aborted) throw error;
      if (!(error instanceof Refused) || error.status !== 404) status = 0;
      failures.push(`failed to find ${kind} installation: ${messageOf(error)}`);
    }
  }
  throw new Refused(failures.join("\n"), status);
}

async function ask(
  request: CloudRequest,
  expected: number,
  options: CloudOptions,
): Promise<{ [field: string]: unknown }> {
  const headers = {
    accept: "application/vnd.github+json",
    "x-github-api-version": "2022-11-28",
    "user-agent": "sluice",
    ...request.headers,
  };
  const { status, body } = await askCloud({ ...request, headers }, options);
  const parsed = parseAnswer(body);
  if (status === expected && parsed !== undefined) return parsed;
  const message = textField(parsed, "message") ?? "";
  throw new Refused(`${request.method} ${request.url}: ${status} ${message} []`, status);
}
