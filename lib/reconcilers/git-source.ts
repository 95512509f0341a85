import type { GitRepository } from "../api/git-repository.ts";
import type { Context } from "../engine/reconciler.ts";
import { GitError } from "../git/git-error.ts";
import { type GitSource, toldUrl } from "../git/git-source.ts";
import { SourceFailure } from "./source/source-failure.ts";

/** What failed, as the object's status tells it (GIT-017, GIT-018, GIT-022). Errors that are not Git's are the fetch's as well. */
export function gitFailure(error: unknown, signal: AbortSignal): SourceFailure {
  if (error instanceof SourceFailure) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof GitError && error.code === "empty") {
    return new SourceFailure("FetchFailed", "EmptyGitRepository", message, { cause: error });
  }
  if (error instanceof GitError && error.code === "no-path") {
    return new SourceFailure("FetchFailed", "GitOperationFailed", message, { cause: error });
  }
  const words = signal.aborted && !(error instanceof GitError) ? "context canceled" : message;
  const told = `failed to checkout and determine revision: ${words}`;
  return new SourceFailure("FetchFailed", "GitOperationFailed", told, { cause: error });
}

/**
 * What the object asks for, with what its Secret holds. The Secret is read at each pass (SEC-011). Throws SourceFailure: terminal
 * for a URL that cannot be parsed (GIT-002) and for fields that this release does not have.
 */
export async function readGitSource(
  object: GitRepository,
  context: Pick<Context, "cluster" | "signal">,
): Promise<GitSource> {
  const { spec } = object;
  const url = parseUrl(spec.url);
  refuseUnsupported(object, url);
  const data = await readSecret(object, context);
  const credentials = readCredentials(url, data);
  const tls = readTls(data);
  const observed = object.status?.artifact?.revision;
  return {
    url: spec.url,
    reference: spec.ref ?? {},
    ...(credentials === undefined ? {} : { credentials }),
    ...(Object.keys(tls).length === 0 ? {} : { tls }),
    ...(spec.ignore === undefined ? {} : { ignore: spec.ignore }),
    ...(spec.sparseCheckout === undefined ? {} : { sparseCheckout: spec.sparseCheckout }),
    ...(observed === undefined ? {} : { observedRevision: observed }),
  };
}

function parseUrl(text: string): URL {
  try {
    const url = new URL(text);
    decodeURIComponent(`${url.username}${url.password}`);
    return url;
  } catch (error) {
    // Where a password has a slash of its own, the URL's parts are not what they seem: nothing before the last @ is told.
    const told = toldUrl(text.replace(/^([a-z]+:\/\/).*@/is, "$1"));
    const message = `failed to parse url '${told}': parse ${JSON.stringify(told)}: ${parseWords(told)}`;
    throw new SourceFailure("FetchFailed", "URLInvalid", message, { terminal: true, cause: error });
  }
}

/** Go's words for what is most often wrong with a URL. What is wrong with its user is not shown. */
function parseWords(text: string): string {
  const host = /^[a-z]+:\/\/([^/]*)/i.exec(text)?.[1] ?? "";
  if (host.startsWith("[") && !host.includes("]")) return "missing ']' in host";
  const port = /:([^:\]]*)$/.exec(host)?.[1];
  if (port !== undefined && !/^\d*$/.test(port)) return `invalid port ":${port}" after host`;
  return "invalid URL";
}

/** Leaving a field out silently would store something else than the user asked for, or unverified. */
function refuseUnsupported({ spec }: GitRepository, url: URL): void {
  const provider = spec.provider ?? "generic";
  if (provider === "github" && spec.secretRef === undefined) {
    const message = "secretRef with github app data must be specified when provider is set to github";
    throw new SourceFailure("FetchFailed", "InvalidProviderConfiguration", message, { terminal: true });
  }
  const fields = [
    url.protocol === "ssh:" && "spec.url with the scheme ssh",
    provider !== "generic" && `spec.provider '${provider}'`,
    spec.serviceAccountName !== undefined && "spec.serviceAccountName",
    spec.proxySecretRef !== undefined && "spec.proxySecretRef",
    spec.verify !== undefined && "spec.verify",
    (spec.include?.length ?? 0) > 0 && "spec.include",
    spec.recurseSubmodules === true && "spec.recurseSubmodules",
  ].filter((field) => typeof field === "string");
  if (fields.length === 0) return;
  const message = `${fields.join(", ")} cannot be used with this release of Sluice`;
  throw new SourceFailure("FetchFailed", "GitOperationFailed", message, { terminal: true });
}

type SecretData = ReadonlyMap<string, string>;

/** GIT-061, GIT-065: the Secret's values as text. Without a reference there are none. */
async function readSecret(object: GitRepository, context: Pick<Context, "cluster" | "signal">): Promise<SecretData> {
  const name = object.spec.secretRef?.name;
  if (name === undefined) return new Map();
  const namespace = object.metadata.namespace ?? "";
  const told = `'${namespace}/${name}'`;
  let secret: { data?: unknown };
  try {
    const path = `/api/v1/namespaces/${namespace}/secrets/${encodeURIComponent(name)}`;
    secret = await context.cluster.request<{ data?: unknown }>({ method: "GET", path, signal: context.signal });
  } catch (error) {
    // Flux says it twice, and alerts may look for it.
    const message = `failed to get secret ${told}: failed to get secret ${told}: ${error instanceof Error ? error.message : String(error)}`;
    throw new SourceFailure("FetchFailed", "AuthenticationFailed", message, { cause: error });
  }
  const data = new Map(
    Object.entries(secret.data ?? {}).map(([key, value]) => [
      key,
      Buffer.from(String(value), "base64").toString("utf8"),
    ]),
  );
  if (data.get("githubAppID")) {
    const message = `secretRef ${told} has github app data but provider is not set to github`;
    throw new SourceFailure("FetchFailed", "InvalidProviderConfiguration", message);
  }
  return data;
}

/** GIT-050 to GIT-053: a bearer token, or a user and password with the URL's own where the Secret has none. */
function readCredentials(url: URL, data: SecretData): GitSource["credentials"] {
  const bearerToken = data.get("bearerToken");
  const fromSecret = (key: string): string => (bearerToken === undefined ? (data.get(key) ?? "") : "");
  const username = fromSecret("username") || decodeURIComponent(url.username);
  const password = fromSecret("password") || decodeURIComponent(url.password);
  if (username === "" && password !== "") {
    const scheme = url.protocol.slice(0, -1);
    throw authenticationFailed(`invalid '${scheme}' auth option: 'password' requires 'username' to be set`);
  }
  if (bearerToken) {
    if (username === "") return { bearerToken };
    const message =
      "failed to checkout and determine revision: basic auth and bearer token cannot be set at the same time";
    throw new SourceFailure("FetchFailed", "GitOperationFailed", message);
  }
  return username === "" ? undefined : { username, password };
}

/** GIT-055, SEC-001, SEC-002: the standard keys win over the old one; both halves of a certificate, or neither. */
function readTls(data: SecretData): NonNullable<GitSource["tls"]> {
  const certificateAuthority = data.get("ca.crt") || data.get("caFile");
  const [certificate, key] = [data.get("tls.crt"), data.get("tls.key")];
  if (!certificate !== !key) throw authenticationFailed("'tls.crt' and 'tls.key' must both be set, or neither");
  return {
    ...(certificateAuthority ? { certificateAuthority } : {}),
    ...(certificate && key ? { certificate, key } : {}),
  };
}

function authenticationFailed(words: string): SourceFailure {
  return new SourceFailure(
    "FetchFailed",
    "AuthenticationFailed",
    `failed to configure authentication options: ${words}`,
  );
}
