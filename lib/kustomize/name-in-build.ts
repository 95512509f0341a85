import type { KubernetesObject } from "../api/object.ts";

/** Kind, version and group as kustomize names them, and the name: `Deployment.v1.apps/web`, `Secret.v1.[noGrp]/token`. */
export function nameInBuild({ apiVersion, kind, metadata }: KubernetesObject): string {
  const slash = apiVersion.indexOf("/");
  const group = slash <= 0 ? "[noGrp]" : apiVersion.slice(0, slash);
  return `${kind}.${apiVersion.slice(slash + 1) || "[noVer]"}.${group}/${metadata.name}`;
}
