import { type Documents, valueAt } from "../tree.ts";
import { jsonStore } from "./json.ts";
import type { Store } from "./store.ts";

/** Anything, which SOPS encrypts as the one text `data` of a JSON object. */
export const binaryStore: Store = { parse: jsonStore.parse, emit: emitBinary, metadata: "nested" };

function emitBinary(documents: Documents): Uint8Array {
  const [document] = documents;
  if (document === undefined || documents.length !== 1)
    throw new Error("error emitting binary store: there must be exactly one tree branch");
  const data = valueAt(document, "data");
  if (data === undefined) throw new Error("error emitting binary store: no binary data found in tree");
  if (data instanceof Uint8Array) return data;
  if (typeof data === "string") return Buffer.from(data);
  throw new Error("error emitting binary store: 'data' key in tree does not have a string value");
}
