import { isFields } from "../../text/fields.ts";
import { parseYamlDocuments } from "../../text/yaml.ts";

/** An entry of the decryption Secret that cannot be used. The message has nothing of what the entry holds. */
export class EntryInvalid extends Error {
  readonly entry: string;
  constructor(entry: string, message: string) {
    super(message);
    this.name = "EntryInvalid";
    this.entry = entry;
  }
}

/** The texts of a YAML or JSON object by their names in lower case, as Go reads them into a struct. */
export type EntryFields = ReadonlyMap<string, string>;

/** Credentials are some kilobytes, with a chain of certificates some more. */
const sizeLimit = 256 * 1024;

/**
 * Reads an entry that holds one YAML object of texts (numbers and booleans count as their text, as sigs.k8s.io/yaml has it).
 * Throws EntryInvalid with `what` in front: never with a part of the entry, which a parser's own message would show.
 */
export function readEntry(entry: string, text: string, what: string): EntryFields {
  const wrong = (why: string) => new EntryInvalid(entry, `failed to unmarshal ${what}: ${why}`);
  if (text.length > sizeLimit) throw wrong(`it is larger than ${sizeLimit} characters`);
  let document: unknown;
  try {
    document = parseYamlDocuments(text)[0] ?? {};
  } catch {
    throw wrong("it is no YAML");
  }
  if (!isFields(document)) throw wrong("it is no YAML object");
  const fields = new Map<string, string>();
  for (const [name, value] of Object.entries(document)) {
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean")
      fields.set(name.toLowerCase(), String(value));
  }
  return fields;
}

/** The text of an entry: UTF-8, or UTF-16 with a byte order mark, as PowerShell writes files. */
export function entryText(bytes: Uint8Array): string {
  const encoding =
    bytes[0] === 0xff && bytes[1] === 0xfe ? "utf-16le" : bytes[0] === 0xfe && bytes[1] === 0xff ? "utf-16be" : "utf-8";
  return new TextDecoder(encoding).decode(bytes);
}
