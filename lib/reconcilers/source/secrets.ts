import { isNotFound } from "../../cluster/api-error.ts";
import type { Context } from "../../engine/reconciler.ts";
import type { ClientTls, ProxyAddress } from "../../platform/outbound.ts";
import { messageOf } from "../../text/error-message.ts";
import { proxyFromSecret } from "./proxy-secret.ts";
import { SecretError } from "./secret-error.ts";
import { tlsFromSecret } from "./tls-secret.ts";
import { rememberSecret } from "./told-secrets.ts";

/** What a Secret holds, decoded. Never kept beyond the pass: it is read at each attempt (SEC-011). */
export type SecretData = ReadonlyMap<string, Buffer>;

/** What Secrets are read with. */
export type SecretContext = Pick<Context, "cluster" | "signal" | "log">;

/** The values of a Secret. Throws SecretError `failed to get secret '<namespace>/<name>': ...` with the API server's own words. */
export async function readSecret(context: SecretContext, namespace: string, name: string): Promise<SecretData> {
  try {
    const path = `/api/v1/namespaces/${namespace}/secrets/${encodeURIComponent(name)}`;
    const { data } = await context.cluster.request<{ data?: unknown }>({ method: "GET", path, signal: context.signal });
    const values = new Map(
      Object.entries(data ?? {}).map(([key, value]) => [key, Buffer.from(String(value), "base64")] as const),
    );
    rememberSecret(values);
    return values;
  } catch (error) {
    const words = messageOf(error);
    const message = `failed to get secret '${namespace}/${name}': ${words}`;
    throw new SecretError(message, { isMissing: isNotFound(error), cause: error });
  }
}

/**
 * The certificates of a Secret of type `Opaque` or `kubernetes.io/tls` (SEC-001 to SEC-003). Throws SecretError with the words of
 * Flux's TLSConfigFromSecretRef; a Secret that is not there is told as `secret '<namespace>/<name>' not found`.
 */
export async function readTls(context: SecretContext, namespace: string, name: string): Promise<ClientTls> {
  const data = await readReferenced(context, namespace, name);
  return tlsFromSecret(`${namespace}/${name}`, data, context.log);
}

/** The proxy that a Secret names (SEC-004). Throws SecretError with the words of Flux's ProxyURLFromSecretRef. */
export async function readProxy(context: SecretContext, namespace: string, name: string): Promise<ProxyAddress> {
  return proxyFromSecret(`${namespace}/${name}`, await readReferenced(context, namespace, name));
}

/** As `readSecret`, in the words of `runtime/secrets` where there is none. */
export async function readReferenced(context: SecretContext, namespace: string, name: string): Promise<SecretData> {
  try {
    return await readSecret(context, namespace, name);
  } catch (error) {
    if (error instanceof SecretError && error.isMissing)
      throw new SecretError(`secret '${namespace}/${name}' not found`, { isMissing: true, cause: error });
    throw error;
  }
}
