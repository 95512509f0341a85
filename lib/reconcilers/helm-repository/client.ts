import type { HelmRepository } from "../../api/helm-repository.ts";
import type { ChartRepository } from "../../chart/repository.ts";
import type { Context } from "../../engine/reconciler.ts";
import type { ClientTls, Outbound } from "../../platform/outbound.ts";
import { messageOf } from "../../text/error-message.ts";
import { parseGoDuration } from "../../text/go-duration.ts";
import { registryAccess } from "../source/registry-identity.ts";
import { tlsFromSecret } from "../source/tls-secret.ts";
import { rememberUrl } from "../source/told-secrets.ts";
import { registryCredentials } from "./registry-credentials.ts";
import { basicCredentials, hasTls, type RepositorySecret, readRepositorySecret } from "./secret.ts";

/** How the repository or registry of a HelmRepository is asked. */
export type RepositoryClient = { timeoutMilliseconds: number } & (
  | { type: "default"; repository: ChartRepository }
  | {
      type: "oci";
      /** `oci://host/path`, without slashes at its end. */
      url: string;
      outbound: Outbound;
      /** Of the Secret (HR-015), or of the provider where none is named; absent for anonymous access. */
      credentials?: { username: string; password: string };
      /** Whether the registry is asked over plain HTTP. */
      insecure: boolean;
    }
);

type Reading = Pick<
  Context,
  "clusterId" | "cluster" | "signal" | "log" | "settings" | "awsCredentials" | "records" | "secrets" | "clock"
>;

/**
 * Reads what a HelmRepository's Secrets hold (HR-008 to HR-011, HR-015, SEC-011). Throws a sentence, which is the message of
 * AuthenticationFailed, for a Secret that is not there or is malformed.
 */
export async function repositoryClient(context: Reading, object: HelmRepository): Promise<RepositoryClient> {
  const { spec, metadata } = object;
  const namespace = metadata.namespace ?? "";
  rememberUrl(spec.url);
  const certified =
    spec.certSecretRef === undefined
      ? undefined
      : await readRepositorySecret(
          context,
          namespace,
          spec.certSecretRef.name,
          "failed to get TLS authentication secret",
        );
  const own = certified === undefined ? undefined : requiredTls(certified, context);
  const secret =
    spec.secretRef === undefined
      ? undefined
      : await readRepositorySecret(context, namespace, spec.secretRef.name, "failed to get authentication secret");
  const found = secret === undefined ? {} : methodsOf(secret, context);
  if (own === undefined && found.tls !== undefined)
    context.log.warn("TLS keys in spec.secretRef are deprecated: name their Secret in spec.certSecretRef");
  const tls = own ?? found.tls;
  const outbound: Outbound = tls === undefined ? {} : { tls };
  const timeoutMilliseconds = parseGoDuration(spec.timeout ?? "60s");
  if (spec.type !== "oci") {
    const repository: ChartRepository = {
      url: spec.url,
      outbound,
      passCredentials: spec.passCredentials === true,
      ...(found.credentials === undefined ? {} : { credentials: found.credentials }),
    };
    return { type: "default", repository, timeoutMilliseconds };
  }
  const url = spec.url.replace(/\/+$/, "");
  const credentials =
    secret === undefined ? await providedCredentials(context, object, url) : registryCredentials(secret, url);
  return {
    type: "oci",
    url,
    outbound,
    ...(credentials === undefined ? {} : { credentials }),
    insecure: spec.insecure === true,
    timeoutMilliseconds,
  };
}

/** HR-013: of the provider's identity, which is Sluice's own: the kind names no ServiceAccount. */
async function providedCredentials(
  context: Reading,
  object: HelmRepository,
  url: string,
): Promise<{ username: string; password: string } | undefined> {
  const { provider = "generic" } = object.spec;
  if (provider === "generic") return undefined;
  const host = url.replace(/^oci:\/\//, "").replace(/\/.*$/s, "");
  try {
    const { signal } = context;
    const named = { ...object, spec: {} };
    const { username, password } = await registryAccess(context, named, provider, host, undefined, { signal });
    return { username, password };
  } catch (error) {
    const words = messageOf(error);
    throw new Error(`failed to get credential from '${provider}': ${words}`, { cause: error });
  }
}

function requiredTls(secret: RepositorySecret, context: Reading): ClientTls {
  try {
    return tlsFromSecret(secret.reference, secret.data, context.log);
  } catch (error) {
    const words = messageOf(error);
    throw new Error(`failed to construct Helm client's TLS config: ${words}`, { cause: error });
  }
}

/** A Secret for authentication may have TLS keys besides; half of a pair is passed over, as Flux does. */
function methodsOf(
  secret: RepositorySecret,
  context: Reading,
): { credentials?: { username: string; password: string }; tls?: ClientTls } {
  try {
    const credentials = basicCredentials(secret);
    const tls = hasTls(secret) ? tlsFromSecret(secret.reference, secret.data, context.log) : undefined;
    return { ...(credentials === undefined ? {} : { credentials }), ...(tls === undefined ? {} : { tls }) };
  } catch (error) {
    const words = messageOf(error);
    throw new Error(`failed to detect authentication methods: ${words}`, { cause: error });
  }
}
