/** A data key encrypted for an age recipient. `enc` is an armored age file. */
export type AgeKey = { kind: "age"; recipient: string; enc: string };

/** A data key encrypted for an OpenPGP key. `enc` is an armored message. */
export type PgpKey = { kind: "pgp"; fingerprint: string; enc: string };

/** A data key encrypted with AWS KMS. `enc` is base64 of the ciphertext; `context` is KMS's encryption context. */
export type AwsKmsKey = {
  kind: "kms";
  arn: string;
  role: string;
  context: ReadonlyMap<string, string>;
  awsProfile: string;
  enc: string;
};

/** A data key encrypted with Google Cloud KMS. `enc` is base64 of the ciphertext. */
export type GcpKmsKey = { kind: "gcp_kms"; resourceId: string; enc: string };

/** A data key encrypted with the transit engine of OpenBao or Vault. `enc` is what the engine gave (`vault:v1:...`). */
export type VaultKey = { kind: "hc_vault"; vaultAddress: string; enginePath: string; keyName: string; enc: string };

/** A data key encrypted with Azure Key Vault. `enc` is base64url of the ciphertext, without padding. */
export type AzureKeyVaultKey = { kind: "azure_kv"; vaultUrl: string; name: string; version: string; enc: string };

/** A data key encrypted with Huawei Cloud KMS, which nothing here can ask. */
export type HuaweiKmsKey = { kind: "hckms"; keyId: string; enc: string };

/** One of the keys that can give a file's data key, as the file's metadata names it. All texts come from the file: hostile. */
export type MasterKey = AgeKey | PgpKey | AwsKmsKey | GcpKmsKey | VaultKey | AzureKeyVaultKey | HuaweiKmsKey;

/**
 * Decrypts what a master key holds: the 32 bytes of the data key, or a share of them. Rejects with what SOPS says where it
 * cannot, which the status shows: never with a secret. Bounds its own time, and ends early with `signal`.
 */
export type KeyService<Key extends MasterKey = MasterKey> = (key: Key, signal?: AbortSignal) => Promise<Uint8Array>;

/** What can be asked, by the kind of key. A kind that is absent cannot be decrypted with. */
export type KeyServices = {
  readonly [Kind in MasterKey["kind"]]?: KeyService<Extract<MasterKey, { kind: Kind }>>;
};

/** Keys that all hold the same share of the data key: each of them is enough by itself. */
export type KeyGroup = readonly MasterKey[];

/** The name of a key in messages, as SOPS writes it. */
export function keyName(key: MasterKey): string {
  switch (key.kind) {
    case "age":
      return key.recipient;
    case "pgp":
      return key.fingerprint;
    case "kms":
      return awsKeyName(key);
    case "gcp_kms":
      return key.resourceId;
    case "hc_vault":
      return `${key.vaultAddress}/v1/${key.enginePath}/keys/${key.keyName}`;
    case "azure_kv":
      return `${key.vaultUrl}/keys/${key.name}/${key.version}`;
    case "hckms":
      return key.keyId;
  }
}

function awsKeyName(key: AwsKmsKey): string {
  const who = key.role === "" ? key.arn : `${key.arn}+${key.role}`;
  const context = [...key.context].map(([name, value]) => `${name}:${value}`).join(",");
  if (key.awsProfile !== "") return `${who}|${context}|${key.awsProfile}`;
  return context === "" ? who : `${who}|${context}`;
}
