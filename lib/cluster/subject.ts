import type { ObjectReference } from "../api/object.ts";

/** How events and errors name an object: `<Kind>/<namespace>/<name>`, without a namespace where it has none (KS-230). */
export function formatSubject({ kind, namespace, name }: ObjectReference): string {
  return namespace === undefined || namespace === "" ? `${kind}/${name}` : `${kind}/${namespace}/${name}`;
}
