import type { GitHubApp } from "../../identity/github-app.ts";
import type { ClientTls } from "../../platform/outbound.ts";
import type { Logger } from "../../platform/ports.ts";
import type { SecretData } from "../source/secrets.ts";
import { tlsFromSecret } from "../source/tls-secret.ts";

/** What a Secret and the URL say of how a repository is reached (GIT-050 to GIT-058). */
export type GitOptions =
  | { transport: "ssh"; identity: string; knownHosts: string; password: string | undefined }
  | { transport: "http"; username: string; password: string; bearerToken: string; tls: ClientTls };

/** `username` or `password` without the other, or an App that is installed nowhere: a sentence for the user. */
export class MalformedSecret extends Error {}

function textOf(data: SecretData, key: string): string {
  return data.get(key)?.toString("utf8") ?? "";
}

/** GIT-050 to GIT-056. Throws MalformedSecret with Flux's words. */
export function gitOptions(url: URL, data: SecretData): GitOptions {
  if (url.protocol === "ssh:") {
    const [identity, knownHosts] = [textOf(data, "identity"), textOf(data, "known_hosts")];
    for (const [key, value] of Object.entries({ identity, known_hosts: knownHosts }))
      if (value === "") throw new MalformedSecret(`invalid 'ssh' auth option: '${key}' is required`);
    const password = textOf(data, "password");
    return { transport: "ssh", identity, knownHosts, password: password === "" ? undefined : password };
  }
  const hasToken = data.has("bearerToken");
  const ofSecret = (key: string) => (hasToken ? "" : textOf(data, key));
  const username = ofSecret("username") || decodeURIComponent(url.username);
  const password = ofSecret("password") || decodeURIComponent(url.password);
  if (username === "" && password !== "") {
    const scheme = url.protocol.slice(0, -1);
    throw new MalformedSecret(`invalid '${scheme}' auth option: 'password' requires 'username' to be set`);
  }
  return { transport: "http", username, password, bearerToken: textOf(data, "bearerToken"), tls: clientTls(data) };
}

/** GIT-055, SEC-001, SEC-002: the standard key wins over the old one; both halves of a certificate, or neither. */
function clientTls(data: SecretData): ClientTls {
  const certificateAuthority = textOf(data, "ca.crt") || textOf(data, "caFile");
  const [certificate, key] = [textOf(data, "tls.crt"), textOf(data, "tls.key")];
  if ((certificate === "") !== (key === ""))
    throw new MalformedSecret("'tls.crt' and 'tls.key' must both be set, or neither");
  return {
    ...(certificateAuthority === "" ? {} : { certificateAuthority }),
    ...(certificate === "" ? {} : { certificate, key }),
  };
}

/** Whether a Secret is one of a GitHub App: then the provider must be `github` (GIT-065). */
export function hasGitHubApp(data: SecretData): boolean {
  return textOf(data, "githubAppID") !== "";
}

/**
 * The GitHub App of a Secret (GIT-062, GIT-064); undefined where it lacks the App's id or key. `name` is the Secret's,
 * `<namespace>/<name>`. Throws MalformedSecret with Flux's words.
 */
export function readGitHubApp(data: SecretData, name: string): GitHubApp | undefined {
  const [hasUser, hasPassword] = [data.has("username"), data.has("password")];
  if (hasUser !== hasPassword) {
    const [has, lacks] = hasUser ? ["username", "password"] : ["password", "username"];
    throw new MalformedSecret(`secret '${name}': malformed basic auth - has '${has}' but missing '${lacks}'`);
  }
  if (!data.has("githubAppID") || !data.has("githubAppPrivateKey")) return undefined;
  const [owner, installation] = ["githubAppInstallationOwner", "githubAppInstallationID"];
  if (data.has(owner) === data.has(installation))
    throw new MalformedSecret(`secret '${name}' must contain exactly one of '${owner}' or '${installation}'`);
  return {
    appId: textOf(data, "githubAppID"),
    privateKey: textOf(data, "githubAppPrivateKey"),
    ...(data.has(owner) ? { owner: textOf(data, owner) } : {}),
    ...(data.has(installation) ? { installation: textOf(data, installation) } : {}),
    ...(data.has("githubAppBaseURL") ? { baseUrl: textOf(data, "githubAppBaseURL") } : {}),
  };
}

/** GIT-062: the certificates that the App's API is reached by; a Secret without any has none. Throws SecretError. */
export function gitHubTls(
  data: SecretData,
  name: string,
  { log }: { log: Pick<Logger, "warn"> },
): ClientTls | undefined {
  const keys = ["tls.crt", "tls.key", "ca.crt", "certFile", "keyFile", "caFile"];
  return keys.some((key) => (data.get(key)?.length ?? 0) > 0) ? tlsFromSecret(name, data, log) : undefined;
}
