import type { KubernetesObject } from "../../api/object.ts";
import type { DecryptFile } from "../../kustomize/decrypt-sources.ts";
import { detectFormat, formatForPath } from "../../sops/formats.ts";
import { parseYamlDocuments } from "../../text/yaml.ts";

/** KS-092: whether an object asks to be left as it is. */
export function isLeftEncrypted({ metadata }: KubernetesObject): boolean {
  return metadata.annotations?.["kustomize.toolkit.fluxcd.io/decrypt"]?.toLowerCase() === "disabled";
}

/**
 * Decrypts an object that SOPS has encrypted as a whole, of whatever kind (KS-090), or what of a Secret's `data` it has encrypted
 * (KS-093). Undefined where there is nothing to decrypt. Rejects with Flux's text, without a value.
 */
export async function decryptObject(
  object: KubernetesObject,
  decryptFile: DecryptFile,
): Promise<KubernetesObject | undefined> {
  if (isLeftEncrypted(object)) return undefined;
  if (hasMac(object)) return decryptWhole(object, decryptFile);
  return object.kind === "Secret" ? decryptData(object, decryptFile) : undefined;
}

function hasMac(object: KubernetesObject): boolean {
  const sops = "sops" in object ? object.sops : undefined;
  return typeof sops === "object" && sops !== null && "mac" in sops && typeof sops.mac === "string" && sops.mac !== "";
}

async function decryptWhole(object: KubernetesObject, decryptFile: DecryptFile): Promise<KubernetesObject> {
  const { kind, metadata } = object;
  const subject = `'${metadata.namespace ?? ""}/${metadata.name}' ${kind}`;
  const plain = await decryptFile(Buffer.from(toJson(object)), "json", "json").catch((error: unknown) => {
    throw new Error(`failed to decrypt and format ${subject} data: ${messageOf(error)}`);
  });
  const decrypted = read(plain);
  if (!isObject(decrypted))
    throw new Error(`failed to unmarshal decrypted ${subject} to JSON: it has no apiVersion, kind and name`);
  return decrypted;
}

async function decryptData(object: KubernetesObject, decryptFile: DecryptFile): Promise<KubernetesObject | undefined> {
  const data = "data" in object ? object.data : undefined;
  if (typeof data !== "object" || data === null) return undefined;
  const { metadata } = object;
  const decrypted: Record<string, string> = {};
  for (const [key, value] of Object.entries(data)) {
    const content = typeof value === "string" ? base64Of(value) : undefined;
    const format = content === undefined ? undefined : detectFormat(content);
    if (content === undefined || format === undefined) continue;
    const plain = await decryptFile(content, format, formatForPath(key)).catch((error: unknown) => {
      const field = `'${metadata.namespace ?? ""}/${metadata.name}' Secret field '${key}'`;
      throw new Error(`failed to decrypt and format ${field}: ${messageOf(error)}`);
    });
    decrypted[key] = Buffer.from(plain).toString("base64");
  }
  if (Object.keys(decrypted).length === 0) return undefined;
  return Object.assign({}, object, { data: { ...data, ...decrypted } });
}

/** JSON in which integers beyond 2^53 keep their digits. */
function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, part) => (typeof part === "bigint" ? rawNumber(part) : part));
}

/** `JSON.rawJSON` is newer than the language version that is checked against. */
function rawNumber(value: bigint): unknown {
  const { rawJSON } = JSON as { rawJSON?: (text: string) => unknown };
  return rawJSON === undefined ? Number(value) : rawJSON(value.toString());
}

/** JSON is YAML, whose reader keeps the digits of integers. */
function read(content: Uint8Array): unknown {
  try {
    return parseYamlDocuments(Buffer.from(content).toString())[0];
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is KubernetesObject {
  if (typeof value !== "object" || value === null) return false;
  if (!("apiVersion" in value && "kind" in value && "metadata" in value)) return false;
  const { apiVersion, kind, metadata } = value;
  return (
    typeof apiVersion === "string" &&
    typeof kind === "string" &&
    typeof metadata === "object" &&
    metadata !== null &&
    "name" in metadata &&
    typeof metadata.name === "string"
  );
}

/** What is no base64 is left for the API server to complain of. */
function base64Of(text: string): Uint8Array | undefined {
  const compact = text.replace(/[\r\n]/g, "");
  return compact.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(compact)
    ? Buffer.from(compact, "base64")
    : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
