import { type DockerConfig, readDockerConfig } from "../../oci/docker-config.ts";
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

function failed(words: string, cause?: unknown): Error {
  return new Error(`failed to configure OCI registry authentication: ${words}`, { cause });
}

function dockerCredentials({ data }: RepositorySecret, name: string, host: string): Credentials {
  const config = configOf(data.get(".dockerconfigjson")?.toString() ?? "", name);
  const entry = config.find(([address]) => address === host) ?? config.find(([address]) => hostOf(address) === host);
  if (entry === undefined) throw failed(`no auth config for '${host}' in the docker-registry Secret '${name}'`);
  const [, { username, password }] = entry;
  return { username, password };
}

function configOf(text: string, name: string): DockerConfig {
  try {
    return readDockerConfig(text);
  } catch (error) {
    throw failed(`unable to load Docker config from Secret '${name}'`, error);
  }
}

/** The host of an address as Docker writes them: with a scheme and a path, as it once did, or without. */
function hostOf(address: string): string {
  return address.replace(/^https?:\/\//, "").replace(/\/.*$/s, "");
}
