import type { KustomizationSpec } from "../api/kustomization.ts";
import type { KubernetesObject } from "../api/object.ts";
import type { OpenArtifact } from "./artifact.ts";
import { BuildFailed } from "./build-failed.ts";

/** The fields of a Kustomization's spec that a build depends on. */
export type BuildSpec = Partial<
  Pick<
    KustomizationSpec,
    | "path"
    | "targetNamespace"
    | "namePrefix"
    | "nameSuffix"
    | "commonMetadata"
    | "components"
    | "ignoreMissingComponents"
    | "patches"
    | "patchesStrategicMerge"
    | "patchesJson6902"
    | "images"
    | "buildMetadata"
  >
>;

/** What a build gives: the objects in kustomize's order, and the digest of the rendered YAML (KS-226): `sha256:<hex>`. */
export type BuildResult = { objects: KubernetesObject[]; digest: string };

/**
 * How a build runs. `directory` is the scratch space where a private directory is made for the time of the build (default:
 * the system's temporary directory). `cache: false` neither reads nor keeps the render in memory: for builds that hold
 * decrypted secrets.
 */
export type BuildOptions = { signal?: AbortSignal; directory?: string; cache?: boolean };

/**
 * A digest, `sha256:<hex>`, of everything that `build` depends on: the spec's fields and every file that it can reach from
 * `spec.path`. Equal digests build equal objects; a change to other files of the artifact leaves it as it is (design decision
 * 7). A build that cannot succeed has a digest as well. Throws PathNotFound.
 */
export function inputDigest(_artifact: OpenArtifact, _spec: BuildSpec): string {
  throw new BuildFailed("not yet");
}

/**
 * Builds the objects of `spec.path` with kustomize, fenced into the artifact (design decision 9). `commonMetadata` is not
 * set here but by `setCommonMetadata`, after the owner labels (KS-079). Throws PathNotFound, BuildFailed, or the signal's reason.
 */
export function build(_artifact: OpenArtifact, _spec: BuildSpec, _options: BuildOptions = {}): Promise<BuildResult> {
  throw new BuildFailed("not yet");
}
