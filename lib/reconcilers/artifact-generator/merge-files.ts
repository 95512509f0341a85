import { mergeValues, readValues } from "../../chart/values.ts";
import { formatGoYaml } from "../../text/go-yaml.ts";
import type { TreeFile } from "./tree.ts";

/**
 * AG-012: the documents of both files as one map, those of `overlay` over those of `under`; lists are replaced. A file that is there
 * keeps its mode. Throws a sentence for a file that is no YAML, or whose documents are no maps; it holds nothing of them.
 */
export function mergeFiles(under: TreeFile, overlay: TreeFile): TreeFile {
  const later = readDocuments(overlay);
  const content = Buffer.from(formatGoYaml(mergeValues(readDocuments(under), later)));
  return { type: "file", executable: under.executable, size: content.length, read: () => content };
}

/** Files that are merged are read into memory. */
const sizeLimit = 16 * 1024 * 1024;

function readDocuments(file: TreeFile): ReturnType<typeof readValues> {
  if (file.size > sizeLimit) throw new Error(`a file of more than ${sizeLimit} bytes cannot be merged`);
  try {
    return readValues(file.read(), "");
  } catch (error) {
    const words = error instanceof Error ? error.message.replace(/^.*? failed: /s, "") : String(error);
    throw new Error(`cannot unmarshal YAML document: ${words}`, { cause: error });
  }
}
