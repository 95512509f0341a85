import type { Kustomization } from "../../api/kustomization.ts";
import type { ObjectReference } from "../../api/object.ts";
import { ApiError } from "../../cluster/api-error.ts";
import { checkPathNames } from "../../cluster/path-segment.ts";
import type { Context } from "../../engine/reconciler.ts";
import { isReadyBy } from "./expressions.ts";
import { Halt } from "./halt.ts";
import type { Source } from "./source.ts";

const apiVersion = "kustomize.toolkit.fluxcd.io/v1";

/**
 * Checks `spec.dependsOn` (KS-040, KS-041): each dependency exists, has observed its generation, is Ready, and has applied
 * the same revision where it uses the same source; or its `readyExpr` holds (KS-042 to KS-045). Throws a Halt that waits for
 * the first one that is not, or that is terminal where an expression cannot be used.
 */
export async function checkDependencies(object: Kustomization, source: Source, context: Context): Promise<void> {
  for (const dependency of object.spec.dependsOn ?? []) {
    const namespace = dependency.namespace || (object.metadata.namespace ?? "");
    const reference: ObjectReference = { apiVersion, kind: "Kustomization", namespace, name: dependency.name };
    const problem = await problemOf(object, { ...dependency, reference }, source, context);
    if (problem === undefined) continue;
    const retry = `retrying in ${context.settings.requeueDependencySeconds}s`;
    const event = { type: "Normal" as const, message: `Dependencies do not meet ready condition, ${retry}` };
    throw new Halt({
      reason: "DependencyNotReady",
      message: problem,
      ...(isTold(object, problem, context) ? {} : { event }),
      retry: "dependency",
      waitsFor: mayExist(reference) ? [reference] : [],
      started: false,
    });
  }
}

/** What no object can be called never becomes ready, and is no key to note anybody under. */
function mayExist({ namespace = "", name }: ObjectReference): boolean {
  return [namespace, name].every((text) => /^[a-z0-9][a-z0-9.-]{0,252}$/.test(text));
}

/** A dependency that is ready wakes who waits for it, though by an expression it may keep it waiting: that is no news. */
function isTold({ status }: Kustomization, problem: string, { cause }: Context): boolean {
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  return cause.type === "dependency" && ready?.reason === "DependencyNotReady" && ready.message === problem;
}

type Dependency = { reference: ObjectReference; readyExpr?: string };

/** Why a dependency keeps the object waiting, or undefined where it does not. */
async function problemOf(
  object: Kustomization,
  { reference, readyExpr = "" }: Dependency,
  source: Source,
  context: Context,
): Promise<string | undefined> {
  const named = `dependency '${reference.namespace}/${reference.name}'`;
  const dependency = await read(reference, context);
  if (typeof dependency === "string") return `${named} not found: ${dependency}`;
  if (readyExpr !== "") {
    try {
      const ready = await isReadyBy(readyExpr, object, dependency);
      if (!ready) return `${named} is not ready according to readyExpr eval`;
    } catch (error) {
      if (error instanceof Error && error.name === "CelError") return error.message;
      throw error;
    }
    if (context.settings.featureGates.AdditiveCELDependencyCheck !== true) return undefined;
  }
  const problem = builtInProblem(dependency, source);
  return problem === undefined ? undefined : `${named} ${problem}`;
}

function builtInProblem(dependency: Kustomization, source: Source): string | undefined {
  const { status, spec, metadata } = dependency;
  const conditions = status?.conditions ?? [];
  const ready = conditions.some(({ type, status: value }) => type === "Ready" && value === "True");
  if (conditions.length === 0 || status?.observedGeneration !== metadata.generation || !ready) return "is not ready";
  const sameSource =
    spec.sourceRef.kind === source.kind &&
    spec.sourceRef.name === source.name &&
    (spec.sourceRef.namespace || metadata.namespace) === source.namespace;
  return sameSource && status?.lastAppliedRevision !== source.artifact.revision
    ? "revision is not up to date"
    : undefined;
}

async function read(reference: ObjectReference, context: Context): Promise<Kustomization | string> {
  const { namespace = "", name } = reference;
  try {
    checkPathNames(reference);
    const scope = `/apis/${apiVersion}/namespaces/${encodeURIComponent(namespace)}`;
    const path = `${scope}/kustomizations/${encodeURIComponent(name)}`;
    return await context.cluster.request<Kustomization>({ method: "GET", path });
  } catch (error) {
    if (error instanceof ApiError && (error.statusCode === 404 || error.statusCode === 400)) return error.message;
    throw error;
  }
}
