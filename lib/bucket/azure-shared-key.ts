import { createHmac } from "node:crypto";

/**
 * The `Authorization` of a request without a body to Azure Blob Storage by an account's key (Azure Storage, "Authorize with
 * Shared Key", version 2015-02-21 and later). `headers` are all that begin with `x-ms-`, `path` is what is sent of the URL's.
 */
export function azureSharedKey(
  { account, key }: { account: string; key: string },
  { method, path, url, headers }: { method: string; path: string; url: URL; headers: Readonly<Record<string, string>> },
): string {
  const canonicalHeaders = Object.entries(headers)
    .map(([name, value]) => [name.toLowerCase(), value.trim()] as const)
    .filter(([name]) => name.startsWith("x-ms-"))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}:${value}\n`)
    .join("");
  const fields = new Map<string, string[]>();
  for (const [name, value] of url.searchParams) {
    const known = fields.get(name.toLowerCase()) ?? [];
    fields.set(name.toLowerCase(), [...known, value]);
  }
  const canonicalFields = [...fields]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, values]) => `\n${name}:${values.sort().join(",")}`)
    .join("");
  // The method, then eleven standard headers, of which such a request has none.
  const text = `${method}${"\n".repeat(12)}${canonicalHeaders}/${account}${path}${canonicalFields}`;
  const signature = createHmac("sha256", Buffer.from(key, "base64")).update(text, "utf8").digest("base64");
  return `SharedKey ${account}:${signature}`;
}
