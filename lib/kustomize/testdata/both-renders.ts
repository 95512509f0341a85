import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KubernetesObject } from "../../api/object.ts";
import { Doubtful } from "../../text/certain-yaml.ts";
import type { OpenArtifact } from "../artifact.ts";
import { kustomizeBinary } from "../binary.ts";
import { renderPlain } from "../plain.ts";
import { planBuild } from "../plan.ts";
import { type RunResult, runKustomize } from "../run-kustomize.ts";
import type { BuildSpec } from "../spec.ts";
import { inWorkspace } from "../workspace.ts";

/** What is rendered without kustomize, or why it is not. */
export function renderWithout(
  artifact: OpenArtifact,
  spec: BuildSpec,
): { yaml: string; objects: KubernetesObject[] } | { doubt: string } {
  const plan = planBuild(artifact, spec);
  if ("failure" in plan) return { doubt: plan.failure.message };
  const rendered = renderPlain(plan.directory, plan.kustomization, plan.reach);
  return rendered instanceof Doubtful ? { doubt: rendered.message } : rendered;
}

/** What kustomize makes of the same plan. */
export async function renderWith(artifact: OpenArtifact, spec: BuildSpec): Promise<RunResult> {
  const plan = planBuild(artifact, spec);
  if ("failure" in plan) return { error: plan.failure.message };
  const { files, directories, unrestricted } = plan.reach;
  const scratch = await mkdtemp(join(tmpdir(), "sluice-test-"));
  try {
    const binary = await kustomizeBinary();
    return await inWorkspace({ files, directories }, scratch, (root) =>
      runKustomize(binary, root, plan.directory, { unrestricted }),
    );
  } finally {
    await rm(scratch, { recursive: true });
  }
}
