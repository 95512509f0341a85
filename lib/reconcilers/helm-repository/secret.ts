import type { Context } from "../../engine/reconciler.ts";
import { messageOf } from "../../text/error-message.ts";
import { rememberSecret } from "../source/told-secrets.ts";

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
    const values = new Map(data);
    rememberSecret(values);
    return { reference, type: String(secret.type ?? "Opaque"), data: values };
  } catch (error) {
    const words = messageOf(error);
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

/** Whether a Secret has TLS keys that are enough: an authority, or both halves of a pair, and no half of one (SEC-001). */
export function hasTls({ data }: RepositorySecret): boolean {
  const has = (key: string, old: string) => (data.get(key) ?? data.get(old) ?? "").length > 0;
  const hasCertificate = has("tls.crt", "certFile");
  return hasCertificate === has("tls.key", "keyFile") && (hasCertificate || has("ca.crt", "caFile"));
}
