import { createPrivateKey, X509Certificate } from "node:crypto";
import type { Context } from "../../engine/reconciler.ts";
import type { ClientTls } from "../../platform/outbound.ts";

/** A Secret as repositories use it: its type, and its values by key. */
export type RepositorySecret = { reference: string; type: string; data: ReadonlyMap<string, Buffer> };

/**
 * Reads a Secret of a namespace, at each attempt anew (SEC-011). `what` begins the sentence of the error: `failed to get
 * authentication secret` (HR-011).
 */
export async function readRepositorySecret(
  context: Pick<Context, "cluster" | "signal">,
  namespace: string,
  name: string,
  what: string,
): Promise<RepositorySecret> {
  const reference = `${namespace}/${name}`;
  const path = `/api/v1/namespaces/${namespace}/secrets/${encodeURIComponent(name)}`;
  try {
    const secret = await context.cluster.request<{ type?: unknown; data?: unknown }>({
      method: "GET",
      path,
      signal: context.signal,
    });
    const data = Object.entries(secret.data ?? {}).map(([key, value]): [string, Buffer] => [
      key,
      Buffer.from(String(value), "base64"),
    ]);
    return { reference, type: String(secret.type ?? "Opaque"), data: new Map(data) };
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    throw new Error(`${what} '${reference}': ${words}`, { cause: error });
  }
}

/** Username and password, both or neither; one alone is an error (HR-008). */
export function basicCredentials({
  reference,
  data,
}: RepositorySecret): { username: string; password: string } | undefined {
  const [username, password] = [data.get("username"), data.get("password")];
  if (username === undefined && password === undefined) return undefined;
  if (username === undefined || password === undefined) {
    const [present, missing] = username === undefined ? ["password", "username"] : ["username", "password"];
    throw new Error(`secret '${reference}': malformed basic auth - has '${present}' but missing '${missing}'`);
  }
  return { username: username.toString(), password: password.toString() };
}

/** What is missing of a Secret's TLS keys, for a Secret that has to have them. */
export class IncompleteTls extends Error {
  constructor(message: string) {
    super(message);
    this.name = "IncompleteTls";
  }
}

/**
 * TLS keys of a Secret (SEC-001): a certificate with its key, an authority, or both; the old names count where the standard ones are
 * absent (SEC-002), which `onLegacy` hears of. Throws IncompleteTls, and a sentence for what is no PEM.
 */
export function clientTls({ reference, data }: RepositorySecret, onLegacy: (key: string) => void): ClientTls {
  const take = (key: string, legacy: string): string => {
    const standard = data.get(key);
    const old = data.get(legacy);
    if (standard === undefined && old !== undefined) onLegacy(legacy);
    return (standard ?? old)?.toString() ?? "";
  };
  const certificate = take("tls.crt", "certFile");
  const key = take("tls.key", "keyFile");
  const certificateAuthority = take("ca.crt", "caFile");
  if ((certificate === "") !== (key === "")) {
    const [present, missing] = certificate === "" ? ["tls.key", "tls.crt"] : ["tls.crt", "tls.key"];
    throw new IncompleteTls(`secret '${reference}' contains '${present}' but missing '${missing}'`);
  }
  if (certificate === "" && certificateAuthority === "")
    throw new IncompleteTls(`secret '${reference}' must contain either 'ca.crt' or both 'tls.crt' and 'tls.key'`);
  if (certificate !== "" && !isPair(certificate, key)) throw new Error("failed to parse TLS certificate and key");
  if (certificateAuthority !== "" && !isCertificate(certificateAuthority))
    throw new Error("failed to parse CA certificate");
  return {
    ...(certificateAuthority === "" ? {} : { certificateAuthority }),
    ...(certificate === "" ? {} : { certificate, key }),
  };
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== undefined || true;
  } catch {
    return false;
  }
}

function isPair(certificate: string, key: string): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}
