import { createHash } from "node:crypto";
import type { KubernetesObject } from "../api/object.ts";
import { substitutionBudget } from "../text/envsubst.ts";
import { messageOf } from "../text/error-message.ts";
import { formatGoYaml } from "../text/go-yaml.ts";
import { BuildFailed } from "./build-failed.ts";
import { nameInBuild } from "./name-in-build.ts";
import { isObject, objectsOf, type RenderedDocument, readDocuments } from "./rendered-objects.ts";
import { type Substitution, substituteDocument } from "./substitute.ts";

/**
 * Decrypts what of an object is encrypted (KS-090, KS-093): another object, or undefined where nothing of it is. Rejects with
 * a text for the user, without secrets.
 */
export type DecryptObject = (object: KubernetesObject) => Promise<KubernetesObject | undefined>;

/** What becomes of the objects between their build and their application, in this order for each object. */
export type PostBuild = { decryptObject?: DecryptObject | undefined; substitution?: Substitution | undefined };

/** Whether anything may become of the objects: where not, what kustomize has printed is what there is (KS-115). */
export function mayChange({ decryptObject, substitution }: PostBuild = {}): boolean {
  if (decryptObject !== undefined) return true;
  if (substitution === undefined) return false;
  return substitution.variables.size > 0 || substitution.always || substitution.failure !== undefined;
}

/**
 * Decrypts and substitutes the objects of rendered YAML, one after another as kustomize-controller does, and digests what it
 * would print then (KS-226). Throws BuildFailed for the first object that fails, or the signal's reason.
 */
export async function finishBuild(
  yaml: string,
  { decryptObject, substitution }: PostBuild,
  signal?: AbortSignal,
): Promise<{ objects: KubernetesObject[]; digest: string }> {
  const documents = readDocuments(yaml);
  const ids = countIds(documents);
  const hash = createHash("sha256");
  const budget = substitutionBudget();
  for (const [index, document] of documents.entries()) {
    signal?.throwIfAborted();
    const decrypted = decryptObject === undefined ? document : await decryptDocument(document, decryptObject, signal);
    const substituted = substitution === undefined ? decrypted : substituteDocument(decrypted, substitution, budget);
    documents[index] = substituted;
    if (substituted !== document) moveId(ids, document.object, substituted.object);
    // What a variable was put into has no longer the text that kustomize would print.
    const printed = substituted === decrypted ? substituted.text : formatGoYaml(substituted.object);
    hash.update(index === 0 ? printed : `---\n${printed}`);
  }
  return { objects: objectsOf(documents), digest: `sha256:${hash.digest("hex")}` };
}

async function decryptDocument(
  document: RenderedDocument,
  decrypt: DecryptObject,
  signal: AbortSignal | undefined,
): Promise<RenderedDocument> {
  try {
    const object = await decrypt(document.object);
    if (object === undefined) return document;
    if (!isObject(object)) throw new Error("what was decrypted has no apiVersion, kind and name");
    return { object, text: formatGoYaml(object) };
  } catch (error) {
    signal?.throwIfAborted();
    const reason = messageOf(error);
    throw new BuildFailed(`decryption failed for '${nameInBuild(document.object)}': ${reason}`, { cause: error });
  }
}

function countIds(documents: readonly RenderedDocument[]): Map<string, number> {
  const ids = new Map<string, number>();
  for (const { object } of documents) ids.set(idOf(object), (ids.get(idOf(object)) ?? 0) + 1);
  return ids;
}

/** Two objects that a variable gives the same name are one too many: kustomize would not know which to replace. */
function moveId(ids: Map<string, number>, from: KubernetesObject, to: KubernetesObject): void {
  ids.set(idOf(from), (ids.get(idOf(from)) ?? 1) - 1);
  const count = (ids.get(idOf(to)) ?? 0) + 1;
  ids.set(idOf(to), count);
  if (count > 1) throw new BuildFailed(`in Replace: id matched ${count} resources`);
}

function idOf(object: KubernetesObject): string {
  return `${object.metadata.namespace || "default"}/${nameInBuild(object)}`;
}
