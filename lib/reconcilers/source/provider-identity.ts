import type { KubernetesObject } from "../../api/object.ts";
import type { Context } from "../../engine/reconciler.ts";
import type { AccessToken, AwsCredentials, CloudIdentity } from "../../identity/identity.ts";
import type { ProxyAddress } from "../../platform/outbound.ts";
import type { Json } from "../../platform/ports.ts";
import { type NamedIdentity, readIdentity } from "../account-identity.ts";
import { type KeptTokenContext, keptToken } from "./kept-token.ts";
import { SourceFailure } from "./source-failure.ts";

/** Providers of sources that give credentials to an identity. */
export type SourceProvider = "aws" | "azure" | "gcp";

/** What the identity of a source is read with. */
export type SourceIdentityContext = Pick<Context, "cluster" | "settings" | "awsCredentials">;

/** Any source whose kind has `serviceAccountName`. */
type Source = KubernetesObject & { spec: { serviceAccountName?: string } };

/**
 * SEC-007: an object names a ServiceAccount for its provider, and the operator has not opened that. Throws SourceFailure, terminal with
 * reason FeatureGateDisabled; `condition` is FetchFailed for Git and Bucket, and undefined for OCIRepository. Asked where the
 * provider is one of a cloud only.
 */
export function requireObjectIdentity(
  { settings }: Pick<Context, "settings">,
  { spec }: Source,
  condition: "FetchFailed" | undefined,
): void {
  if ((spec.serviceAccountName ?? "") === "" || settings.featureGates.ObjectLevelWorkloadIdentity === true) return;
  const message =
    "to use spec.serviceAccountName for provider authentication please enable the ObjectLevelWorkloadIdentity feature gate in the controller";
  throw new SourceFailure(condition, "FeatureGateDisabled", message, { terminal: true });
}

/**
 * SEC-008, SEC-009: who asks the provider for credentials of a source: the ServiceAccount that it names, else the one of the placeholder's
 * `--default-service-account`, else Sluice itself (SN-010). Throws IdentityError, a sentence for the user.
 */
export function sourceIdentity(
  context: SourceIdentityContext,
  object: Source,
  provider: SourceProvider,
): Promise<NamedIdentity> {
  return readIdentity(context, provider, {
    namespace: object.metadata.namespace ?? "",
    name: object.spec.serviceAccountName ?? "",
    defaultName: context.settings.defaultServiceAccount,
    controller: "source-controller",
  });
}

/**
 * What distinguishes a token besides its identity (SEC-010): the provider, the scope, audience, region or endpoint it is for, the proxy it
 * is asked for through, and for CodeCommit the repository's URL.
 */
export type TokenPurpose = { provider: SourceProvider; for: readonly string[]; proxy?: ProxyAddress | undefined };

/** The kept token of an identity, or the one that `ask` gives (SEC-010, SN-008). Throws as `identity.ask` does. */
export async function keptAccessToken(
  context: KeptTokenContext,
  identity: NamedIdentity,
  purpose: TokenPurpose,
  ask: (who: CloudIdentity) => Promise<AccessToken>,
): Promise<AccessToken> {
  const kept = await keptToken(context, keyOf(identity, purpose), async () => {
    const { token, expiresAt } = await identity.ask(ask);
    return { value: { token, expiresAt: expiresAt.toISOString() }, expiresAt };
  });
  return { token: textOf(kept.token), expiresAt: new Date(textOf(kept.expiresAt)) };
}

/** The kept AWS credentials of an identity, or those that `ask` gives (SEC-010, SN-008). The function's own are never kept. */
export async function keptAwsCredentials(
  context: KeptTokenContext,
  identity: NamedIdentity,
  purpose: TokenPurpose,
  ask: (who: CloudIdentity) => Promise<AwsCredentials>,
): Promise<AwsCredentials> {
  if (identity.identity.type === "own") return identity.ask(ask);
  const kept = await keptToken(context, keyOf(identity, purpose), async () => {
    const { expiresAt = new Date(0), ...credentials } = await identity.ask(ask);
    return { value: { ...credentials, expiresAt: expiresAt.toISOString() }, expiresAt };
  });
  return {
    accessKeyId: textOf(kept.accessKeyId),
    secretAccessKey: textOf(kept.secretAccessKey),
    ...(kept.sessionToken === undefined ? {} : { sessionToken: textOf(kept.sessionToken) }),
    expiresAt: new Date(textOf(kept.expiresAt)),
  };
}

function keyOf({ id }: NamedIdentity, { provider, for: parts, proxy }: TokenPurpose): string[] {
  return [provider, id, JSON.stringify(proxy ?? null), ...parts];
}

function textOf(value: Json | undefined): string {
  return typeof value === "string" ? value : "";
}
