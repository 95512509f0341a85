import { alert } from "./alert.ts";
import { artifactGenerator } from "./artifact-generator.ts";
import { bucket } from "./bucket.ts";
import type { KindDefinition } from "./definition.ts";
import { externalArtifact } from "./external-artifact.ts";
import { gitRepository } from "./git-repository.ts";
import { helmChart } from "./helm-chart.ts";
import { helmRepository } from "./helm-repository.ts";
import { kustomization } from "./kustomization.ts";
import { ociRepository } from "./oci-repository.ts";
import { provider } from "./provider.ts";
import { receiver } from "./receiver.ts";

/** Every kind that Sluice brings a CustomResourceDefinition for. A new kind is one line here. */
export const definitions: readonly KindDefinition[] = [
  gitRepository,
  ociRepository,
  bucket,
  helmRepository,
  helmChart,
  externalArtifact,
  artifactGenerator,
  kustomization,
  alert,
  provider,
  receiver,
];
