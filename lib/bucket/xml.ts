import { ObjectStoreError, pageLimit } from "./object-store.ts";

/** Loaded with the first answer: few objects are buckets, and a cold start does not pay for it. */
async function makeParser(): Promise<{ parse(text: string): unknown }> {
  const { XMLParser } = await import("fast-xml-parser");
  return new XMLParser({
    ignoreAttributes: true,
    parseTagValue: false,
    trimValues: false,
    // Those of XML itself, and numbers, as which MinIO writes quotes; a document that declares its own is refused before.
    processEntities: { enabled: true, maxExpandedLength: pageLimit },
    htmlEntities: true,
    isArray: (name) => name === "Contents" || name === "Blob",
  });
}

let parser: ReturnType<typeof makeParser> | undefined;

/** A parsed element: text, or elements by their names. */
export type Element = { [name: string]: unknown };

/** Reads an answer in XML. One that declares a document type is refused: entities of its own could grow without bound. Throws ObjectStoreError. */
export async function parseXml(text: string): Promise<Element> {
  if (/<!DOCTYPE/i.test(text)) throw new ObjectStoreError("", "the object store's answer declares a document type");
  parser ??= makeParser();
  const reader = await parser;
  let value: unknown;
  try {
    value = reader.parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    throw new ObjectStoreError("", "the object store's answer is not XML", { cause: error });
  }
  return elementOf(value);
}

/** An element's children; none where it is text or absent. */
export function elementOf(value: unknown): Element {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}

/** The elements of a name that may stand several times. */
export function elementsOf(value: unknown): Element[] {
  return Array.isArray(value) ? value.map(elementOf) : [];
}

/** An element's text; empty where it has none. */
export function textOf(value: unknown): string {
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
}
