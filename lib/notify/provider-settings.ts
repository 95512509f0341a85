import { createSecureContext } from "node:tls";
import type { Provider } from "../api/provider.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { messageOf } from "../text/error-message.ts";
import { parseYamlDocuments } from "../text/yaml.ts";
import { isAnswer } from "./is-answer.ts";
import type { Transport } from "./post.ts";
import { ProviderInvalid, type ProviderSettings } from "./providers/provider-type.ts";
import { readSecretData, type SecretData } from "./secret-data.ts";

/** A Provider ready to send: what its type reads, how it is reached, and the texts that no event or log may show. */
export type PreparedProvider = {
  settings: ProviderSettings;
  transport: Transport;
  secrets: string[];
  /** The address as it may be shown. */
  shownAddress: string;
};

/** Longest address, in bytes (PR-003, PR-008). */
const addressBytes = 2048;

/** Reads a Provider's Secrets (PR-003 to PR-008). Throws ProviderInvalid in Flux's words, and whatever an API server that does not answer throws. */
export async function prepareProvider(
  cluster: ClusterClient,
  { metadata, spec }: Provider,
  signal: AbortSignal,
): Promise<PreparedProvider> {
  const namespace = metadata.namespace ?? "";
  const read = (reference: { name: string } | undefined) =>
    reference === undefined ? undefined : readSecret(cluster, namespace, reference.name, signal);
  const [secret, proxySecret, certSecret] = await Promise.all([
    read(spec.secretRef),
    read(spec.proxySecretRef),
    read(spec.certSecretRef),
  ]);
  const named = `'${namespace}/${spec.secretRef?.name}'`;
  const hidden = textOf(secret, "address")?.trim();
  if ((secret?.get("address")?.length ?? 0) > addressBytes)
    throw new ProviderInvalid(`invalid address in secret: address exceeds maximum length of ${addressBytes} bytes`);
  const headers = headersOf(secret);
  const [username, password] = credentialsOf(secret, named);
  const proxy =
    proxySecret === undefined
      ? deprecatedProxy(textOf(secret, "proxy") ?? spec.proxy, named)
      : proxyOf(proxySecret, `${namespace}/${spec.proxySecretRef?.name}`);
  const address = hidden ?? spec.address ?? "";
  const token = secret?.get("token");
  return {
    settings: {
      address,
      channel: spec.channel ?? "",
      username: username ?? spec.username ?? "",
      token,
      password: password ?? "",
      headers,
    },
    transport: {
      ...(certSecret === undefined ? {} : certificatesOf(certSecret, `${namespace}/${spec.certSecretRef?.name}`)),
      ...(proxy === undefined ? {} : { proxy }),
    },
    secrets: [token?.toString("utf8").trim(), password, proxy?.password, hidden, ...Object.values(headers)].filter(
      (text): text is string => text !== undefined && text.length >= 3,
    ),
    shownAddress: shown(address, hidden !== undefined),
  };
}

async function readSecret(
  cluster: ClusterClient,
  namespace: string,
  name: string,
  signal: AbortSignal,
): Promise<SecretData> {
  try {
    return await readSecretData(cluster, { namespace, name }, signal);
  } catch (error) {
    if (!isAnswer(error)) throw error;
    const why = messageOf(error);
    throw new ProviderInvalid(`failed to get secret '${namespace}/${name}': ${why}`);
  }
}

/** PR-003: a YAML map of texts. */
function headersOf(secret: SecretData | undefined): Record<string, string> {
  const text = textOf(secret, "headers");
  if (text === undefined || text.trim() === "") return {};
  let documents: unknown[];
  try {
    documents = parseYamlDocuments(text);
  } catch {
    throw new ProviderInvalid("failed to read headers from secret: they are not YAML");
  }
  const [headers] = documents;
  if (typeof headers !== "object" || headers === null || Array.isArray(headers))
    throw new ProviderInvalid("failed to read headers from secret: they are not a map of texts");
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => {
      const isHeader = typeof value === "string" && /^[\w!#$%&'*+.^`|~-]+$/.test(name) && !/[\r\n\0]/.test(value);
      if (!isHeader) throw new ProviderInvalid("failed to read headers from secret: they are not a map of texts");
      return [name, value];
    }),
  );
}

/** PR-004: they count together, and half of them is an error that says so. */
function credentialsOf(secret: SecretData | undefined, named: string): [string?, string?] {
  const username = textOf(secret, "username");
  const password = textOf(secret, "password");
  if ((username === undefined) !== (password === undefined)) {
    const [has, lacks] = username === undefined ? ["password", "username"] : ["username", "password"];
    throw new ProviderInvalid(`secret ${named}: malformed basic auth - has '${has}' but missing '${lacks}'`);
  }
  return username === undefined || password === undefined ? [] : [username, password];
}

function deprecatedProxy(text: string | undefined, named: string): URL | undefined {
  if (text === undefined || text.trim() === "") return undefined;
  if (!URL.canParse(text.trim())) throw new ProviderInvalid(`invalid 'proxy' in secret ${named}`);
  return usable(new URL(text.trim()));
}

/** PR-008. */
function proxyOf(secret: SecretData, named: string): URL {
  const wrong = (why: string) => new ProviderInvalid(`failed to get proxy URL: secret '${named}': ${why}`);
  const address = textOf(secret, "address");
  if (address === undefined) throw wrong("key 'address' not found");
  if (address === "") throw wrong("proxy address is empty");
  if (Buffer.byteLength(address) > addressBytes)
    throw wrong(`proxy URL exceeds maximum length of ${addressBytes} characters`);
  if (!URL.canParse(address)) throw wrong("failed to parse proxy address");
  const url = new URL(address);
  if (!["http:", "https:", "socks5:"].includes(url.protocol))
    throw wrong(
      `proxy URL must use one of the supported schemes (http, https, socks5), got '${url.protocol.slice(0, -1)}'`,
    );
  const username = textOf(secret, "username");
  if (username !== undefined) url.username = encodeURIComponent(username);
  const password = textOf(secret, "password");
  if (username !== undefined && password !== undefined) url.password = encodeURIComponent(password);
  return usable(url);
}

function usable(url: URL): URL {
  if (url.protocol === "http:" || url.protocol === "https:") return url;
  throw new ProviderInvalid(
    `failed to get proxy URL: a ${url.protocol.slice(0, -1)} proxy cannot be used with this release of Sluice`,
  );
}

/** PR-006: a CA, a pair, or both; the legacy names count where the standard ones are absent. */
function certificatesOf(secret: SecretData, named: string): Pick<Transport, "authority" | "certificate" | "key"> {
  const wrong = (why: string) => new ProviderInvalid(`failed to get TLS config: ${why}`);
  const value = (key: string, legacy: string) => textOf(secret, key) || textOf(secret, legacy) || undefined;
  const authority = value("ca.crt", "caFile");
  const certificate = value("tls.crt", "certFile");
  const key = value("tls.key", "keyFile");
  if (certificate !== undefined && key === undefined)
    throw wrong(`secret '${named}' contains 'tls.crt' but missing 'tls.key'`);
  if (certificate === undefined && key !== undefined)
    throw wrong(`secret '${named}' contains 'tls.key' but missing 'tls.crt'`);
  if (authority === undefined && certificate === undefined)
    throw wrong(`secret '${named}' must contain either 'ca.crt' or both 'tls.crt' and 'tls.key'`);
  if (authority !== undefined && !isLoadable({ ca: authority })) throw wrong("failed to parse CA certificate");
  if (certificate !== undefined && key !== undefined && !isLoadable({ cert: certificate, key }))
    throw wrong("failed to parse TLS certificate and key");
  return {
    ...(authority === undefined ? {} : { authority }),
    ...(certificate === undefined || key === undefined ? {} : { certificate, key }),
  };
}

function isLoadable(options: Parameters<typeof createSecureContext>[0]): boolean {
  if (typeof options?.ca === "string" && !options.ca.includes("-----BEGIN CERTIFICATE-----")) return false;
  try {
    createSecureContext(options);
    return true;
  } catch {
    return false;
  }
}

/** What may be shown of an address: of one from a Secret nothing but where it leads, of another not what it asks with. */
function shown(address: string, secret: boolean): string {
  if (!URL.canParse(address)) return secret ? "*****" : address;
  const { protocol, host, pathname } = new URL(address);
  return `${protocol}//${host}${secret ? "/*****" : pathname}`;
}

function textOf(secret: SecretData | undefined, key: string): string | undefined {
  return secret?.get(key)?.toString("utf8");
}
