import { textsOf } from "./kustomization-file.ts";
import { type Struct, writeStruct } from "./shape.ts";

/**
 * Kustomize forgets the schemas of Kubernetes' own kinds when a kustomization brings one by `openapi.path`, and then patches lists
 * as a whole; Flux loads its own first, so that the custom one adds to them (KS-073). The same comes of a kustomization around the
 * build that makes kustomize use its schemas before it meets the custom one. What that kustomization holds itself is dropped again.
 */
const object: Struct = {
  apiVersion: "preload.invalid/v1",
  kind: "Preload",
  metadata: { name: "preload", annotations: { "config.kubernetes.io/local-config": "true" } },
};

/**
 * The files to write around an artifact that lies in the directory `artifact`, for a build of the kustomization `root` in its
 * `directory`. Undefined where the detour would show: in the paths that `buildMetadata` notes, or where `root` is a component.
 */
export function preloadFiles(
  root: Struct,
  directory: string,
  artifact: string,
): ReadonlyMap<string, string> | undefined {
  if (textsOf(root, "buildMetadata").length > 0 || root.kind === "Component") return undefined;
  const inner: Struct = { resources: ["object.yaml"], patches: [{ patch: writeStruct(object) }] };
  const outer: Struct = {
    resources: ["./preload", `./${artifact}/${directory}`],
    ...(root.sortOptions === undefined ? {} : { sortOptions: root.sortOptions }),
  };
  return new Map([
    ["kustomization.yaml", writeStruct(outer)],
    ["preload/kustomization.yaml", writeStruct(inner)],
    ["preload/object.yaml", writeStruct(object)],
  ]);
}
