import { createHash } from "node:crypto";
import { join } from "node:path";
import type { KubernetesObject } from "../api/object.ts";
import { Doubtful } from "../text/certain-yaml.ts";
import type { OpenArtifact } from "./artifact.ts";
import { kustomizeBinary } from "./binary.ts";
import { BuildFailed } from "./build-failed.ts";
import { hideDecrypted } from "./decrypted-artifact.ts";
import { type Rendered, renderPlain as renderCertain } from "./plain.ts";
import { artifactDirectory, type Plan, planBuild } from "./plan.ts";
import { finishBuild, mayChange, type PostBuild } from "./post-build.ts";
import { tellOrigins, tellRemotes } from "./remote-names.ts";
import { renderOnce } from "./render-cache.ts";
import { readObjects } from "./rendered-objects.ts";
import { type RunResult, runKustomize } from "./run-kustomize.ts";
import type { BuildSpec } from "./spec.ts";
import { type Content, inWorkspace, sweepOnce } from "./workspace.ts";

/** A plan that can be carried out. */
type Buildable = Exclude<Plan, { failure: BuildFailed }>;

/** What a build gives: the objects in kustomize's order, and the digest of the rendered YAML (KS-226): `sha256:<hex>`. */
export type BuildResult = { objects: KubernetesObject[]; digest: string };

/**
 * How a build runs. `directory` is the scratch space where a private directory is made for the time of the build (default:
 * the system's temporary directory). `cache: false` neither reads nor keeps the render in memory: for builds that hold
 * decrypted secrets. `postBuild` is what becomes of the objects after kustomize is done with them.
 */
export type BuildOptions = { signal?: AbortSignal; directory?: string; cache?: boolean; postBuild?: PostBuild };

/**
 * A digest, `sha256:<hex>`, of everything that `build` depends on: the spec's fields and every file that it can reach from
 * `spec.path`. Equal digests build equal objects; a change to other files of the artifact leaves it as it is (design decision
 * 7). A build that cannot succeed has a digest as well. Throws PathNotFound.
 */
export function inputDigest(artifact: OpenArtifact, spec: BuildSpec): string {
  return planBuild(artifact, spec).digest;
}

/**
 * Builds the objects of `spec.path` with kustomize, fenced into the artifact (design decision 9). `commonMetadata` is not
 * set here but by `setCommonMetadata`, after the owner labels (KS-079). Throws PathNotFound, BuildFailed, or the signal's reason.
 */
export async function build(artifact: OpenArtifact, spec: BuildSpec, options: BuildOptions = {}): Promise<BuildResult> {
  try {
    return await buildPlan(planBuild(artifact, spec), options);
  } catch (error) {
    if (!(error instanceof BuildFailed)) throw error;
    const message = hideDecrypted(error.message, artifact);
    throw message === error.message ? error : new BuildFailed(message);
  }
}

async function buildPlan(plan: Plan, options: BuildOptions): Promise<BuildResult> {
  await sweepOnce(options.directory);
  if ("failure" in plan) throw new BuildFailed(plan.failure.message, { cause: plan.failure });
  let plain: Rendered | undefined;
  const render = async () => {
    plain = renderPlain(plan);
    if (plain !== undefined) return plain.yaml;
    const result = await renderPlan(plan, options);
    if ("output" in result) return tellOrigins(result.output, plan.reach);
    throw new BuildFailed(explain(tellRemotes(result.error, plan.reach), plan));
  };
  const yaml = options.cache === false ? await render() : await renderOnce(plan.digest, render);
  const { postBuild } = options;
  if (postBuild !== undefined && mayChange(postBuild)) return finishBuild(yaml, postBuild, options.signal);
  const digest = `sha256:${createHash("sha256").update(yaml).digest("hex")}`;
  return { objects: plain?.objects ?? readObjects(yaml), digest };
}

/** Most builds need no kustomize, whose start alone costs more than all that is left of them. */
function renderPlain({ directory, kustomization, reach, around }: Buildable): Rendered | undefined {
  if (around !== undefined || reach.clones.size + reach.downloads.size > 0) return undefined;
  const rendered = renderCertain(directory, kustomization, reach);
  return rendered instanceof Doubtful ? undefined : rendered;
}

async function renderPlan(plan: Buildable, options: BuildOptions): Promise<RunResult> {
  const binary = await kustomizeBinary();
  const { reach, around } = plan;
  return inWorkspace(contentOf(plan), options.directory, async (workspace) => {
    const root = join(workspace, artifactDirectory);
    const run = (cwd: string, directory: string, unrestricted: boolean) =>
      runKustomize(binary, cwd, directory, { unrestricted, signal: options.signal });
    const first = await (around === undefined
      ? run(root, plan.directory, reach.unrestricted)
      : run(workspace, "", reach.unrestricted));
    if (!("error" in first) || (reach.unrestricted && around === undefined)) return first;
    return withTextOfFlux(first, await run(root, plan.directory, true));
  });
}

function contentOf({ reach, around }: Buildable): Content {
  const files = [...reach.files].map(([path, content]): [string, Uint8Array] => [
    `${artifactDirectory}/${path}`,
    content,
  ]);
  return {
    files: new Map<string, Uint8Array | string>([...files, ...(around ?? [])]),
    directories: new Set([...reach.directories].map((path) => `${artifactDirectory}/${path}`)),
  };
}

/**
 * Flux runs kustomize without its load restriction, so a failure reads as one without it. A build that only fails with it would
 * read what the fence has missed: it stays failed.
 */
function withTextOfFlux(restricted: { error: string }, unrestricted: RunResult): RunResult {
  return "error" in unrestricted ? unrestricted : restricted;
}

/** KS-052, KS-075: a file that only Sluice named is at fault itself, not the kustomization. */
function explain(error: string, plan: Plan): string {
  const [, file, reason] =
    /^accumulating resources: (?:accumulation err=')?accumulating resources from '(?:\.\/)([^\n]*?\.ya?ml)': ([\s\S]*)$/.exec(
      error,
    ) ?? [];
  if (!plan.generated || file === undefined || reason === undefined) return `kustomize build failed: ${error}`;
  const path = plan.directory === "" ? file : `${plan.directory}/${file}`;
  const own = reason.replace(/': must build at directory: [\s\S]*$/, "").replace(/ in File: \.\/.*$/, "");
  return `failed to decode Kubernetes YAML from ${path}: ${own}`;
}
