import { type Exchange, type ServiceAnswer, serviceExchange } from "../../platform/exchange.ts";
import { messageOf } from "../../text/error-message.ts";
import { isFields } from "../../text/fields.ts";
import { parseYamlDocuments } from "../../text/yaml.ts";
import type { KeyService, VaultKey } from "../keys.ts";
import {
  askedOnce,
  base64Bytes,
  bounded,
  connected,
  type Fields,
  fieldsOf,
  type ServiceConnection,
  textOf,
  within,
} from "./service-call.ts";

/** The name of the Secret's entry with a static token (KS-096). */
export const vaultEntry = "sops.vault-token";
/** The key of the ConfigMap that `--sops-vault-configmap` names. */
export const vaultConfigKey = "config.yaml";

/**
 * How to log in to one server: the path is used as it is written. `certificateAuthority` (PEM) is trusted for it instead of the
 * public ones; Flux takes that from its pod's environment, and does not look at this field.
 */
export type VaultInstance = { loginPath: string; certificateAuthority?: string };

/** Logging in with a token of a ServiceAccount (KS-104). */
export type VaultLogin = {
  /** `<namespace>/<name>` of the ConfigMap, for messages. */
  configMap: string;
  /** The servers by their addresses: who is not among them is not trusted. Asked when the first key needs it. */
  instances: () => Promise<ReadonlyMap<string, VaultInstance>>;
  /** A token of the ServiceAccount to decrypt as, for one audience. */
  requestToken: (audience: string, signal: AbortSignal) => Promise<string>;
};

/**
 * The deployment's own token (`VAULT_TOKEN`). It goes to no other address than these: a file could have it sent anywhere
 * otherwise. Slashes at the end of an address do not count.
 */
export type OwnVaultToken = { token: string; addresses: readonly string[] };

export type VaultOptions = ServiceConnection & {
  /** `sops.vault-token` of the decryption Secret. */
  token?: string | undefined;
  login?: VaultLogin | undefined;
  own?: OwnVaultToken | undefined;
};

/**
 * Decrypts with the transit engine of OpenBao or Vault (KS-104), as whoever may: the tenant's own token in the decryption Secret,
 * else a ServiceAccount that logs in, else the deployment's own token.
 */
export function vault(options: VaultOptions): KeyService<VaultKey> {
  const once = askedOnce<string>();
  const { exchange: usual } = connected(options);
  const trusting = new Map<string, Exchange>();
  const exchangeWith = (authority: string | undefined): Exchange => {
    if (authority === undefined) return usual;
    const exchange =
      trusting.get(authority) ?? serviceExchange({ outbound: { tls: { certificateAuthority: authority } } });
    trusting.set(authority, exchange);
    return exchange;
  };
  const read = askedOnce<ReadonlyMap<string, VaultInstance>>();
  const instances = () => read("", async () => (await options.login?.instances()) ?? new Map());
  return async (key, caller) => {
    const signal = bounded(caller);
    const path = decryptPath(key);
    const failed = (why: string) =>
      new Error(`failed to decrypt sops data key from Vault transit backend '${path}': ${why}`);
    const url = apiAddress(key.vaultAddress, path);
    const { login, token: given } = options;
    // What needs no login does not fail where the servers cannot be read.
    const servers = given === undefined ? await instances() : await instances().catch(() => new Map());
    const exchange = exchangeWith(servers.get(key.vaultAddress)?.certificateAuthority);
    const token = await once(key.vaultAddress, () =>
      given === undefined && login !== undefined
        ? logIn(key.vaultAddress, login, servers, exchange, signal)
        : storedToken(key.vaultAddress, options),
    );
    const answer = await post(url, { ciphertext: key.enc }, token, exchange, signal);
    const fields = fieldsOf(answer);
    if (answer.status !== 200) throw failed(complaintOf(answer, fields));
    const plaintext = textOf(within(fields, "data"), "plaintext");
    if (plaintext === undefined) throw failed("no decrypted data");
    return base64Bytes(plaintext, "base64", "the answer of Vault");
  };
}

/** Reads `sops.vault-token`: the token, whatever blanks are around it. Undefined where there is nothing else. */
export function parseVaultEntry(text: string): string | undefined {
  const token = text.trim();
  return token === "" ? undefined : token;
}

/**
 * The servers by their addresses: `instances[]{address,loginPath}` of the ConfigMap's `config.yaml`. Throws with Flux's text.
 * `configMap` is `<namespace>/<name>`, for messages.
 */
export function parseVaultConfig(
  data: Readonly<Record<string, string>>,
  configMap: string,
): ReadonlyMap<string, VaultInstance> {
  const text = data[vaultConfigKey];
  if (text === undefined) throw new Error(`Vault ConfigMap '${configMap}' is missing the '${vaultConfigKey}' key`);
  const wrong = (why: string) =>
    new Error(`failed to parse '${vaultConfigKey}' in Vault ConfigMap '${configMap}': ${why}`);
  let config: unknown;
  try {
    config = parseYamlDocuments(text)[0] ?? {};
  } catch (error) {
    throw wrong(error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error));
  }
  const instances = isFields(config) ? (config.instances ?? []) : undefined;
  if (!Array.isArray(instances)) throw wrong("instances is not a list");
  return new Map(
    instances.map((instance: unknown, index): [string, VaultInstance] => {
      if (!isFields(instance)) throw wrong(`instances[${index}] is not an object`);
      const certificateAuthority = textOf(instance, "certificateAuthority");
      const login = { loginPath: textOf(instance, "loginPath") ?? "" };
      const address = textOf(instance, "address") ?? "";
      return [address, certificateAuthority === undefined ? login : { ...login, certificateAuthority }];
    }),
  );
}

async function storedToken(address: string, { token, own }: VaultOptions): Promise<string> {
  if (token !== undefined) return token;
  const named = (text: string) => text.replace(/\/+$/, "");
  if (own?.addresses.some((known) => named(known) === named(address)) === true) return own.token;
  throw new Error(
    own === undefined
      ? `there is no token for Vault: the decryption Secret has no '${vaultEntry}', and --sops-vault-configmap is not set`
      : `Sluice's own Vault token is not for '${address.slice(0, 300)}'`,
  );
}

async function logIn(
  address: string,
  login: VaultLogin,
  servers: ReadonlyMap<string, VaultInstance>,
  exchange: Exchange,
  signal: AbortSignal,
): Promise<string> {
  const path = servers.get(address)?.loginPath ?? "";
  if (path === "")
    throw new Error(
      `no Vault login path configured for address '${address.slice(0, 300)}' in ConfigMap '${login.configMap}'`,
    );
  const jwt = await login.requestToken(address, signal).catch((error: unknown) => {
    const why = messageOf(error);
    throw new Error(`failed to issue Kubernetes token for Vault authentication: ${why}`, { cause: error });
  });
  const role = roleOf(jwt);
  const answer = await post(apiAddress(address, path.replace(/^\/+/, "")), { role, jwt }, undefined, exchange, signal);
  const fields = fieldsOf(answer);
  if (answer.status !== 200)
    throw new Error(
      `failed to authenticate with Vault '${address}' at login path '${path}' as role '${role}': ${complaintOf(answer, fields)}`,
    );
  const token = textOf(within(fields, "auth"), "client_token");
  if (token === undefined)
    throw new Error(`Vault '${address}' returned no token for login at '${path}' as role '${role}'`);
  return token;
}

/** `<namespace>_<name>` of the ServiceAccount that a token is of, by the token's own word. Throws. */
function roleOf(jwt: string): string {
  const wrong = (why: string) => new Error(`failed to derive Vault role for authentication: ${why}`);
  const [, payload, signature] = jwt.split(".");
  if (payload === undefined || signature === undefined) throw wrong("not a JWT");
  const body = Buffer.from(payload, "base64url").toString("utf8");
  const subject = textOf(fieldsOf({ status: 200, headers: {}, body }), "sub") ?? "";
  const [, namespace, name] = /^system:serviceaccount:([^:]+):(.+)$/.exec(subject) ?? [];
  if (namespace === undefined || name === undefined) throw wrong(`unexpected token subject '${subject.slice(0, 300)}'`);
  return `${namespace}_${name}`;
}

/** Path of the transit engine's decryption, each part of it from the file. Throws where a part leads elsewhere. */
function decryptPath({ enginePath, keyName }: VaultKey): string {
  const parts = [...enginePath.split("/").filter((part) => part !== ""), "decrypt", keyName];
  if (keyName === "" || keyName.includes("/") || parts.some((part) => part === "." || part === ".."))
    throw new Error(`'${enginePath.slice(0, 200)}' and '${keyName.slice(0, 200)}' are no path of a Vault transit key`);
  return parts.join("/");
}

/** Where the API of a Vault server has a path. The address may have a path of its own, before `/v1`. Throws. */
function apiAddress(address: string, path: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (
    url === undefined ||
    (url.protocol !== "https:" && url.protocol !== "http:") ||
    `${url.username}${url.password}${url.search}${url.hash}` !== ""
  )
    throw new Error(`'${address.slice(0, 300)}' is no address of a Vault server`);
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/v1/${path.split("/").map(encodeURIComponent).join("/")}`;
  return url;
}

async function post(
  url: URL,
  body: Readonly<Record<string, string>>,
  token: string | undefined,
  exchange: Exchange,
  signal: AbortSignal,
): Promise<ServiceAnswer> {
  const headers = {
    "content-type": "application/json",
    // What Vault's own clients send, for agents that ask for it against forged requests.
    "x-vault-request": "true",
    ...(token === undefined ? {} : { "x-vault-token": token }),
  };
  return exchange({ method: "POST", url, headers, body: JSON.stringify(body) }, signal);
}

/** `403: permission denied`. */
function complaintOf({ status }: ServiceAnswer, fields: Fields): string {
  const errors = Array.isArray(fields.errors) ? fields.errors.filter((error) => typeof error === "string") : [];
  return errors.length === 0 ? `status ${status}` : `${status}: ${errors.join(", ").slice(0, 500)}`;
}
