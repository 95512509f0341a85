import { createHash } from "node:crypto";
import { type OpenArtifact, selectPath } from "./artifact.ts";
import { BuildFailed } from "./build-failed.ts";
import { completeKustomization } from "./complete.ts";
import { preloadFiles } from "./preload.ts";
import { type Reach, reachFrom } from "./reach.ts";
import type { Struct } from "./shape.ts";
import type { BuildSpec } from "./spec.ts";

/** What a build will be: where, from which files, or why it cannot be. */
export type Plan = {
  directory: string;
  /** Digest of all that the build depends on: `sha256:<hex>`. */
  digest: string;
  /** Whether its kustomization was generated (KS-051). */
  generated: boolean;
} & (
  | {
      /** What is built: the kustomization of the directory, completed. */
      kustomization: Struct;
      reach: Reach;
      /** Files around the artifact, for a build that takes a detour (`preloadFiles`). */
      around: ReadonlyMap<string, string> | undefined;
    }
  | { failure: BuildFailed }
);

/** Where the artifact lies in a build's private directory. */
export const artifactDirectory = "artifact";

/** The engine whose result is digested: another one may build other objects from the same files. */
const engine = "kustomize 5.8.1";

const plans = new WeakMap<OpenArtifact, Map<string, Plan>>();

/** Plans the build of a spec. A plan is kept as long as its artifact: the digest and the build ask for the same. Throws PathNotFound. */
export function planBuild(artifact: OpenArtifact, spec: BuildSpec): Plan {
  const key = JSON.stringify(buildFields(spec));
  const known = plans.get(artifact) ?? new Map<string, Plan>();
  plans.set(artifact, known);
  const plan = known.get(key) ?? makePlan(artifact, spec);
  known.set(key, plan);
  return plan;
}

function makePlan(artifact: OpenArtifact, spec: BuildSpec): Plan {
  const directory = selectPath(artifact, spec.path);
  const common = JSON.stringify(spec.commonMetadata ?? {});
  let generated = false;
  try {
    const completed = completeKustomization(artifact, directory, spec);
    generated = completed.generated;
    const reach = reachFrom(artifact, directory, completed.fileName, completed.kustomization);
    const around = reach.schemas ? preloadFiles(completed.kustomization, directory, artifactDirectory) : undefined;
    const { kustomization } = completed;
    return { directory, generated, kustomization, reach, around, digest: digestOf([directory, common], reach) };
  } catch (failure) {
    if (!(failure instanceof BuildFailed)) throw failure;
    return { directory, generated, failure, digest: digestOf([directory, common, failure.message]) };
  }
}

/** Every part is preceded by its length, so that no two inputs have the same bytes. */
function digestOf(parts: string[], reach?: Reach): string {
  const hash = createHash("sha256");
  const add = (part: string | Uint8Array) => hash.update(`${Buffer.byteLength(part)}:`).update(part);
  for (const part of [engine, ...parts]) add(part);
  if (reach !== undefined) {
    add(String(reach.unrestricted));
    for (const directory of [...reach.directories].sort()) add(directory);
    for (const [path, content] of [...reach.files].sort(([a], [b]) => (a < b ? -1 : 1))) {
      add(path);
      add(content);
    }
  }
  return `sha256:${hash.digest("hex")}`;
}

function buildFields(spec: BuildSpec): BuildSpec {
  const { path, targetNamespace, namePrefix, nameSuffix, commonMetadata, components, ignoreMissingComponents } = spec;
  const { patches, patchesStrategicMerge, patchesJson6902, images, buildMetadata } = spec;
  return Object.fromEntries(
    Object.entries({
      path,
      targetNamespace,
      namePrefix,
      nameSuffix,
      commonMetadata,
      components,
      ignoreMissingComponents,
      patches,
      patchesStrategicMerge,
      patchesJson6902,
      images,
      buildMetadata,
    }).filter(([, value]) => value !== undefined),
  );
}
