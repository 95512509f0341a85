import type { Omitted } from "./compare.ts";

type Spec = Record<string, unknown>;

const object =
  (kind: string, usual: Spec) =>
  (name: string, spec: Spec = {}, metadata: Spec = {}): Omitted => ({
    kind,
    metadata: { name, ...metadata },
    spec: { interval: "1h", ...usual, ...spec },
  });

/** A GitRepository of the branch `main`, unless the spec has another reference. */
export const gitRepository = (name: string, url: string, spec: Spec = {}, metadata: Spec = {}): Omitted =>
  object("GitRepository", { url, ref: { branch: "main" } })(name, spec, metadata);

/** An OCIRepository. */
export const ociRepository = (name: string, url: string, spec: Spec = {}): Omitted =>
  object("OCIRepository", { url })(name, spec);

/** A HelmRepository. */
export const helmRepository = (name: string, url: string, spec: Spec = {}): Omitted =>
  object("HelmRepository", { url })(name, spec);

/** A HelmChart of the HelmRepository `charts`, unless the spec has another source. */
export const helmChart = (name: string, chart: string, spec: Spec = {}): Omitted =>
  object("HelmChart", { chart, sourceRef: { kind: "HelmRepository", name: "charts" } })(name, spec);

/** A Bucket over plain HTTP. */
export const bucket = (name: string, endpoint: string, bucketName: string, spec: Spec = {}): Omitted =>
  object("Bucket", { endpoint, bucketName, insecure: true })(name, spec);

/** An ArtifactGenerator of the GitRepository `source`, unless the spec has other sources. */
export const artifactGenerator = (name: string, artifacts: Spec[], spec: Spec = {}, metadata: Spec = {}): Omitted => ({
  kind: "ArtifactGenerator",
  metadata: { name, ...metadata },
  spec: { sources: [{ alias: "git", kind: "GitRepository", name: "source" }], artifacts, ...spec },
});
