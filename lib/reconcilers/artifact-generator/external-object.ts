import { isDeepStrictEqual } from "node:util";
import type { ArtifactGenerator } from "../../api/artifact-generator.ts";
import type { ExternalArtifact } from "../../api/external-artifact.ts";
import { kinds } from "../../engine/kinds.ts";
import { generatorLabel } from "./generated.ts";

const { apiVersion } = kinds.ExternalArtifact;
const managedBy = "app.kubernetes.io/managed-by";

/**
 * The object of an artifact as a generator applies it (AG-019): it points back to the generator. Reserved labels win over captures, and
 * these over common labels (AG-020).
 */
export function externalObject(
  { apiVersion: ownVersion, metadata, spec }: ArtifactGenerator,
  name: string,
  captures: Readonly<Record<string, string>>,
): ExternalArtifact {
  const { labels = {}, annotations = {} } = spec.commonMetadata ?? {};
  const namespace = metadata.namespace ?? "";
  return {
    apiVersion,
    kind: "ExternalArtifact",
    metadata: {
      name,
      namespace,
      labels: {
        ...labels,
        ...captures,
        [managedBy]: kinds.ArtifactGenerator.fieldManager,
        [generatorLabel]: metadata.uid ?? "",
      },
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    },
    spec: { sourceRef: { apiVersion: ownVersion, kind: kinds.ArtifactGenerator.kind, name: metadata.name, namespace } },
  };
}

/** Whether an object in the cluster has all that is to be on it; what others have added is theirs. */
export function holds(found: ExternalArtifact, wanted: ExternalArtifact): boolean {
  return (
    isDeepStrictEqual(found.spec, wanted.spec) &&
    includes(found.metadata.labels, wanted.metadata.labels) &&
    includes(found.metadata.annotations, wanted.metadata.annotations)
  );
}

/** Whether nobody has changed what a generator gives to the objects of all its artifacts, whatever captures give to each. */
export function isWanted(found: ExternalArtifact, generator: ArtifactGenerator): boolean {
  const { name, labels = {} } = found.metadata;
  // What a capture may override is not known before the sources are read.
  const captures = (generator.spec.pathPattern ?? "") === "" ? {} : labels;
  const isReady = found.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true;
  return isReady && holds(found, externalObject(generator, name, captures));
}

function includes(found: Record<string, string> = {}, wanted: Record<string, string> = {}): boolean {
  return Object.entries(wanted).every(([key, value]) => found[key] === value);
}
