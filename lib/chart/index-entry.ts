/** One version of a chart as an index has it (Helm's `repo.ChartVersion`). */
export type IndexEntry = {
  name: string;
  version: string;
  /** RFC 3339. */
  created: string;
  /** Where it is downloaded from; the first is used (HC-014). Null where the index names none. */
  urls: string[] | null;
  /** SHA-256 of the archive in hexadecimal digits, where the index says it. */
  digest?: string;
  apiVersion?: string;
  appVersion?: string;
  description?: string;
  deprecated?: boolean;
};

/** Whether a parsed piece of a stored index is a version of a chart. */
export function isIndexEntry(value: unknown): value is IndexEntry {
  if (typeof value !== "object" || value === null) return false;
  const { name, version, created, urls } = value as Partial<Record<keyof IndexEntry, unknown>>;
  return (
    typeof name === "string" &&
    typeof version === "string" &&
    typeof created === "string" &&
    (urls === null || (Array.isArray(urls) && urls.every((url) => typeof url === "string")))
  );
}
