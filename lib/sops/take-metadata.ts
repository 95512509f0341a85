import { unflatten } from "./flatten.ts";
import { type Metadata, readMetadata } from "./metadata.ts";
import type { Store } from "./stores/store.ts";
import { type Branch, type Documents, type Entry, isBranch, isRemark, type Remark } from "./tree.ts";

const key = "sops";
const prefix = "sops_";

/**
 * Takes SOPS's metadata out of a file: from its first document, while every document loses its key `sops`. Throws where there is
 * none, or it cannot be read.
 */
export function takeMetadata(
  documents: Documents,
  place: Store["metadata"],
): { documents: Documents; metadata: Metadata } {
  if (place === "prefixed") return prefixed(documents);
  const [found, ...more] = documents[0]?.items.filter(isMetadata) ?? [];
  if (found === undefined) throw new Error("sops metadata not found");
  if (more.length > 0) throw new Error("Found duplicate sops entry");
  if (!isBranch(found.value)) throw new Error("Found sops entry that is not a mapping");
  const metadata = place === "below" ? unflatten(withLineBreaks(found.value)) : found.value;
  const rest = documents.map(({ items }) => ({ items: items.filter((item) => !isMetadata(item)) }));
  return { documents: rest, metadata: readMetadata(metadata) };
}

function isMetadata(item: Entry | Remark): item is Entry {
  return !isRemark(item) && item.key === key;
}

/** INI escapes line breaks a second time. */
function withLineBreaks({ items }: Branch): Branch {
  return {
    items: items.map((item) =>
      isRemark(item) || typeof item.value !== "string"
        ? item
        : { key: item.key, value: item.value.replaceAll("\\n", "\n") },
    ),
  };
}

function prefixed([first = { items: [] }, ...more]: Documents): { documents: Documents; metadata: Metadata } {
  const flat: Entry[] = [];
  const rest: (Entry | Remark)[] = [];
  for (const item of first.items) {
    if (!isRemark(item) && item.key.startsWith(prefix))
      flat.push({ key: item.key.slice(prefix.length), value: item.value });
    else rest.push(item);
  }
  if (flat.length === 0) throw new Error("sops metadata not found");
  return { documents: [{ items: rest }, ...more], metadata: readMetadata(unflatten({ items: flat })) };
}
