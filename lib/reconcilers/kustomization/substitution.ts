import type { Kustomization } from "../../api/kustomization.ts";
import type { KubernetesObject } from "../../api/object.ts";
import { ApiError, isNotFound } from "../../cluster/api-error.ts";
import { getObject } from "../../cluster/objects.ts";
import type { Context } from "../../engine/reconciler.ts";
import type { Substitution } from "../../kustomize/substitute.ts";

/** The variables of a Kustomization, and the state of what they were read from. */
export type Variables = {
  /** Undefined where the Kustomization has no `postBuild`. */
  substitution: Substitution | undefined;
  /**
   * Equal texts say that every reference is as it was: uid and resourceVersion of each, its absence, or why it could not be
   * read. Empty without references. It holds no value of a variable.
   */
  versions: string;
};

/**
 * Reads `spec.postBuild`: the references in their order, each once and as Sluice itself, then what is given inline, which wins
 * (KS-110). Line feeds are removed (KS-111). A reference that is missing or refused is no error here but in the substitution:
 * the first object that takes variables fails with it (KS-113).
 */
export async function readVariables(
  object: Kustomization,
  { cluster, settings, signal }: Pick<Context, "cluster" | "settings" | "signal">,
): Promise<Variables> {
  const { postBuild } = object.spec;
  if (postBuild === undefined) return { substitution: undefined, versions: "" };
  const variables = new Map<string, string>();
  const versions: string[] = [];
  const read = new Map<string, Data>();
  let failure: string | undefined;
  for (const { kind, name, optional } of postBuild.substituteFrom ?? []) {
    const id = `${kind}/${name}`;
    try {
      const known = read.get(id);
      const reference = { apiVersion: "v1", kind, namespace: object.metadata.namespace ?? "", name };
      const found = known ?? (await getObject<Data>(cluster, reference, signal));
      read.set(id, found);
      if (known === undefined) versions.push(`${id} ${found.metadata.uid}/${found.metadata.resourceVersion}`);
      for (const [key, value] of textsOf(kind, found)) variables.set(key, withoutLineFeeds(value));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      versions.push(`${id} ${error.statusCode}`);
      if (optional === true && isNotFound(error)) continue;
      failure = `substitute from '${id}' error: ${error.message}`;
      break;
    }
  }
  for (const [name, value] of Object.entries(postBuild.substitute ?? {})) variables.set(name, withoutLineFeeds(value));
  const substitution: Substitution = {
    variables,
    failure,
    strict: settings.featureGates.StrictPostBuildSubstitutions ?? true,
    always: postBuild.substituteStrategy === "Always",
  };
  return { substitution, versions: versions.join("\n") };
}

type Data = KubernetesObject & { data?: Record<string, string> };

function textsOf(kind: "ConfigMap" | "Secret", { data }: Data): [name: string, value: string][] {
  const entries = Object.entries(data ?? {});
  if (kind === "ConfigMap") return entries;
  return entries.map(([name, value]) => [name, Buffer.from(value, "base64").toString()]);
}

function withoutLineFeeds(value: string): string {
  return value.replaceAll("\n", "");
}
