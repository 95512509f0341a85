import type { KubernetesObject } from "../../api/object.ts";
import type { CloudOptions } from "../../identity/identity.ts";
import { registryInput, registryLogin } from "../../identity/registry-login.ts";
import type { ProxyAddress } from "../../platform/outbound.ts";
import { messageOf } from "../../text/error-message.ts";
import { type KeptTokenContext, keptToken } from "./kept-token.ts";
import { type SourceIdentityContext, type SourceProvider, sourceIdentity } from "./provider-identity.ts";

/** What a registry is shown for the identity of an object, and what tells that identity from all others. */
export type RegistryAccess = { username: string; password: string; identity: string };

/**
 * Credentials for a registry by the cloud identity of an object (OCI-019, OCI-020, HR-015), kept until they expire (SEC-010). `host` is
 * the registry's. Throws a sentence for the user.
 */
export async function registryAccess(
  context: SourceIdentityContext & KeptTokenContext,
  object: KubernetesObject & { spec: { serviceAccountName?: string } },
  provider: SourceProvider,
  host: string,
  proxy: ProxyAddress | undefined,
  options: Omit<CloudOptions, "outbound">,
): Promise<RegistryAccess> {
  const input = registryInput(provider, host);
  const identity = await sourceIdentity(context, object, provider).catch((error: unknown) => {
    const why = messageOf(error);
    throw new Error(`failed to get access token for artifact registry: ${why}`, { cause: error });
  });
  const key = ["registry", provider, identity.id, input, JSON.stringify(proxy ?? null)];
  const outbound = proxy === undefined ? {} : { proxy };
  const login = () =>
    registryLogin(provider, input, (work) => identity.ask(work), { ...options, outbound }).then(
      ({ username, password, expiresAt }) => ({ value: { username, password }, expiresAt }),
    );
  const { username, password } = await keptToken(context, key, login);
  return { username, password, identity: `${provider}/${identity.id}` };
}
