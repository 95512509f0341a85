import type { Bucket } from "../../api/bucket.ts";
import type { ClientTls, ProxyAddress } from "../../platform/outbound.ts";
import { messageOf } from "../../text/error-message.ts";
import { readProxy, readSecret, readTls, type SecretContext, type SecretData } from "../source/secrets.ts";

/** What the Secrets of a Bucket hold; absent where it names none. */
export type BucketSecrets = {
  own?: SecretData;
  sts?: SecretData;
  proxy?: ProxyAddress;
  tls?: ClientTls;
  stsTls?: ClientTls;
};

/** Reads all Secrets that a Bucket names (BKT-031, SEC-011). Throws in Flux's words. */
export async function readBucketSecrets(context: SecretContext, { metadata, spec }: Bucket): Promise<BucketSecrets> {
  const namespace = metadata.namespace ?? "";
  const { secretRef, proxySecretRef, certSecretRef, sts } = spec;
  const own = secretRef && (await readSecret(context, namespace, secretRef.name));
  const stsSecret =
    sts?.secretRef && (await worded("", () => readSecret(context, namespace, sts.secretRef?.name ?? ""), "STS secret"));
  const proxy =
    proxySecretRef &&
    (await worded("failed to get proxy URL: ", () => readProxy(context, namespace, proxySecretRef.name)));
  const tls =
    certSecretRef &&
    (await worded("failed to get TLS config: ", () => readTls(context, namespace, certSecretRef.name)));
  const stsTls =
    sts?.certSecretRef &&
    (await worded("failed to get STS TLS config: ", () => readTls(context, namespace, sts.certSecretRef?.name ?? "")));
  return {
    ...(own === undefined ? {} : { own }),
    ...(stsSecret === undefined ? {} : { sts: stsSecret }),
    ...(proxy === undefined ? {} : { proxy }),
    ...(tls === undefined ? {} : { tls }),
    ...(stsTls === undefined ? {} : { stsTls }),
  };
}

async function worded<T>(words: string, read: () => Promise<T>, secret = "secret"): Promise<T> {
  try {
    return await read();
  } catch (error) {
    const told = messageOf(error);
    throw new Error(`${words}${told.replace(/^failed to get secret /, `failed to get ${secret} `)}`, { cause: error });
  }
}
