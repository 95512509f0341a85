import type { RepositorySecret } from "./secret.ts";

type Credentials = { username: string; password: string };

/**
 * Credentials for a registry (HR-015): of a Secret of Docker's type the entry of exactly that host, of another one `username` and
 * `password`. Undefined for anonymous access, which is meant where both are empty. Throws a sentence where there is no entry, or one
 * of the two is empty.
 */
export function registryCredentials(secret: RepositorySecret, url: string): Credentials | undefined {
  const name = secret.reference.slice(secret.reference.indexOf("/") + 1);
  const credentials =
    secret.type === "kubernetes.io/dockerconfigjson"
      ? dockerCredentials(secret, name, hostOf(url.replace(/^oci:/, "https:")))
      : {
          username: secret.data.get("username")?.toString() ?? "",
          password: secret.data.get("password")?.toString() ?? "",
        };
  if (credentials.username === "" && credentials.password === "") return undefined;
  if (credentials.username !== "" && credentials.password !== "") return credentials;
  throw failed(`invalid '${name}' secret data: required fields 'username' and 'password'`);
}

function failed(words: string): Error {
  return new Error(`failed to configure OCI registry authentication: ${words}`);
}

function dockerCredentials({ data }: RepositorySecret, name: string, host: string): Credentials {
  const auths = authsOf(data.get(".dockerconfigjson")?.toString() ?? "");
  if (auths === undefined) throw failed(`unable to load Docker config from Secret '${name}'`);
  const entry = auths.get(host) ?? [...auths].find(([address]) => hostOf(address) === host)?.[1];
  if (entry === undefined) throw failed(`no auth config for '${host}' in the docker-registry Secret '${name}'`);
  const { auth, username, password } = entry;
  if (typeof auth === "string" && auth !== "") {
    const decoded = Buffer.from(auth, "base64").toString();
    const colon = decoded.indexOf(":");
    if (colon === -1) throw failed(`unable to load Docker config from Secret '${name}'`);
    return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1).replace(/^\0+|\0+$/g, "") };
  }
  return {
    username: typeof username === "string" ? username : "",
    password: typeof password === "string" ? password : "",
  };
}

function authsOf(text: string): Map<string, Record<string, unknown>> | undefined {
  try {
    const config: unknown = JSON.parse(text);
    const auths = isMap(config) ? (config.auths ?? {}) : undefined;
    if (!isMap(auths)) return undefined;
    return new Map(Object.entries(auths).map(([address, entry]) => [address, isMap(entry) ? entry : {}]));
  } catch {
    return undefined;
  }
}

/** The host of an address as Docker writes them: with a scheme and a path, as it once did, or without. */
function hostOf(address: string): string {
  return address.replace(/^https?:\/\//, "").replace(/\/.*$/s, "");
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
