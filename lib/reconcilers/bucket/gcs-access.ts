import { gcsStore } from "../../bucket/gcs.ts";
import { gcpToken } from "../../identity/gcp.ts";
import { gcpKeyToken, parseGcpKey } from "../../identity/gcp-key.ts";
import { serviceExchange } from "../../platform/exchange.ts";
import { messageOf } from "../../text/error-message.ts";
import { keptAccessToken, sourceIdentity } from "../source/provider-identity.ts";
import { type OpenBucket, proxied, textIn, whileValid } from "./access.ts";

/** What a key's token may be used for: reading. */
const scopes = ["https://www.googleapis.com/auth/devstorage.read_only"];

/** The provider `gcp` (BKT-029). */
export const openGcs: OpenBucket = async (object, secrets, context) => {
  const { bucketName: bucket, secretRef } = object.spec;
  const outbound = proxied(secrets, context);
  const open = (token: (signal: AbortSignal) => Promise<string>) => gcsStore({ bucket, token, outbound });
  const way = JSON.stringify(outbound);
  if (secrets.own !== undefined) {
    const name = secretRef?.name ?? "";
    if (!secrets.own.has("serviceaccount"))
      throw new Error(`invalid '${name}' secret data: required fields 'serviceaccount'`);
    const text = textIn(secrets.own, "serviceaccount");
    const key = keyOf(text, name);
    const exchange = serviceExchange({ outbound });
    const token = whileValid(() => gcpKeyToken(key, scopes, name, exchange, context.signal));
    return { store: open(async () => (await token()).token), who: ["key", text, way], secrets: [] };
  }
  const identity = await sourceIdentity(context, object, "gcp");
  const purpose = { provider: "gcp" as const, for: ["storage"], proxy: secrets.proxy };
  const options = { signal: context.signal, outbound, ...context.clouds };
  const token = whileValid(() => keptAccessToken(context, identity, purpose, (who) => gcpToken(who, options)));
  return { store: open(async () => (await token()).token), who: ["identity", identity.id, way], secrets: [] };
};

function keyOf(text: string, name: string): ReturnType<typeof parseGcpKey> {
  try {
    return parseGcpKey(text);
  } catch (error) {
    const words = messageOf(error);
    throw new Error(`failed to create Google credentials from secret '${name}': ${words}`, { cause: error });
  }
}
