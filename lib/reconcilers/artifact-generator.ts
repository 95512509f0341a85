import type { ArtifactGenerator, ArtifactGeneratorStatus, GeneratedArtifact } from "../api/artifact-generator.ts";
import type { ExternalArtifact } from "../api/external-artifact.ts";
import type { KubernetesObject } from "../api/object.ts";
import type { FailureReason } from "../api/reason.ts";
import { concurrently } from "../cluster/concurrently.ts";
import type { Context, EventRecord, Finalizer, KindReconciler, Outcome } from "../engine/reconciler.ts";
import { openSpool, type Spool } from "../platform/spool.ts";
import { messageOf } from "../text/error-message.ts";
import { buildOutput, forgetEarlier } from "./artifact-generator/build.ts";
import { detectDrift } from "./artifact-generator/drift.ts";
import { expandOutputs, type Output, PatternError } from "./artifact-generator/expand.ts";
import { listGenerated, removeGenerated } from "./artifact-generator/generated.ts";
import { subdomainProblems } from "./artifact-generator/kubernetes-names.ts";
import { newsOf, type Published, publish } from "./artifact-generator/publish.ts";
import {
  fetchSources,
  type ObservedSource,
  observeSources,
  type ReadySource,
  sourcesDigest,
} from "./artifact-generator/sources.ts";
import { specProblem } from "./artifact-generator/validate.ts";
import { type ConditionEditor, editConditions } from "./condition-editor.ts";

/** The life of a generator is not that of a source: sources.md, section 13. */
export const artifactGeneratorReconciler: KindReconciler = {
  reconcile: (object, context) => reconcileGenerator(object as ArtifactGenerator, context),
  finalize: (object, context) => finalizeGenerator(object, context),
  suspended: {
    isSuspended: ({ metadata }) =>
      metadata.annotations?.["source.extensions.fluxcd.io/reconcile"]?.toLowerCase() === "disabled",
    outcome: leftAlone,
  },
};

const inProgress = "Reconciliation in progress";

/** One attempt of a generator. */
type Pass = {
  object: ArtifactGenerator;
  context: Context;
  conditions: ConditionEditor;
  status: ArtifactGeneratorStatus;
  events: EventRecord[];
  sources: readonly ObservedSource[];
  /** Whom the attempt concerns, however it ends. */
  published: NonNullable<Outcome["published"]>;
};

/** Why an attempt ends. A terminal one waits for a change; `waitSeconds` is a fixed wait, without a back-off. */
class GeneratorFailure extends Error {
  readonly reason: FailureReason;
  readonly retry: "terminal" | "backOff" | "wait";

  constructor(reason: FailureReason, message: string, retry: GeneratorFailure["retry"], cause?: unknown) {
    super(message, { cause });
    this.name = "GeneratorFailure";
    this.reason = reason;
    this.retry = retry;
  }
}

async function reconcileGenerator(object: ArtifactGenerator, context: Context): Promise<Outcome> {
  const pass = beginPass(object, context);
  try {
    return await attempt(pass);
  } catch (error) {
    if (error instanceof GeneratorFailure) return fail(pass, error);
    throw error;
  }
}

function beginPass(object: ArtifactGenerator, context: Context): Pass {
  const conditions = editConditions(object, () => context.clock.now());
  // The first look adds the finalizer and says that there is something to do.
  if (conditions.get("Ready") === undefined) progressing(conditions);
  return { object, context, conditions, status: { ...object.status }, events: [], sources: [], published: [] };
}

function progressing(conditions: ConditionEditor): void {
  conditions.remove("Stalled");
  conditions.set("Reconciling", "True", "Progressing", inProgress);
  conditions.set("Ready", "Unknown", "Progressing", inProgress);
}

async function attempt(pass: Pass): Promise<Outcome> {
  const { object, context, conditions, status, events } = pass;
  const problem = specProblem(object, context.settings);
  if (problem !== undefined) throw new GeneratorFailure(problem.reason, problem.message, "terminal");
  const sources = await readySources(pass);
  const observedSourcesDigest = sourcesDigest(sources);
  const inCluster = await listGenerated(object, context);
  const drift = await detectDrift(object, context, observedSourcesDigest, inCluster);
  if (drift === undefined) {
    const count = object.status?.inventory?.length ?? 0;
    events.push({ type: "Trace", reason: "Ready", message: `No drift detected, ${count} artifact(s) up to date` });
    if (context.redelivered) pass.published.push(...inCluster.flatMap(newsAgain));
    return settled(pass);
  }
  context.log.debug("artifacts are made", { drift });
  progressing(conditions);
  const underWay = { ...status, conditions: conditions.list() };
  if (drift === "GenerationChanged") await context.announce(underWay);
  else context.progress(underWay);

  const contents = openSpool();
  try {
    const published = await produce(
      pass,
      sources,
      contents,
      new Map(inCluster.map((found) => [found.metadata.name, found])),
    );
    const inventory = published.map(({ entry }) => entry);
    events.push(...tellEach(object, published));
    await removeOrphans(pass, inventory, inCluster);
    Object.assign(status, { inventory, observedSourcesDigest });
    const message = `reconciliation succeeded, generated ${inventory.length} artifact(s)`;
    conditions.set("Ready", "True", "Succeeded", message);
    events.push({ type: "Trace", reason: "Ready", message }, ...tellChanges(object, inventory));
    return settled(pass);
  } finally {
    contents.close();
  }
}

/** What a look that died, or whose status was not answered, may have told nobody. */
function newsAgain(found: ExternalArtifact): NonNullable<Outcome["published"]> {
  return found.status?.artifact === undefined ? [] : [newsOf(found, found.status.artifact)];
}

/** AG-006: all sources with their artifacts. Throws GeneratorFailure for the first that has none. */
async function readySources(pass: Pass): Promise<ReadySource[]> {
  const observed = await observeSources(pass.object, pass.context);
  pass.sources = observed;
  return observed.map((source) => {
    if ("artifact" in source) return source;
    throw new GeneratorFailure("SourceFetchFailed", `get sources failed: ${source.problem}`, "wait");
  });
}

/** How many artifacts are made at the same time. */
const parallel = 4;

async function produce(
  { object, context, published: news }: Pass,
  sources: readonly ReadySource[],
  contents: Spool,
  known: ReadonlyMap<string, Awaited<ReturnType<typeof listGenerated>>[number]>,
): Promise<Published[]> {
  const { signal } = context;
  const trees = await fetchSources(sources, contents, context).catch((error: unknown) => {
    if (signal.aborted) throw error;
    throw new GeneratorFailure("SourceFetchFailed", `fetch sources failed: ${messageOf(error)}`, "wait", error);
  });
  const outputs = await expandOutputs(object.spec, trees).catch((error: unknown) => {
    if (!(error instanceof PatternError)) throw error;
    throw new GeneratorFailure("BuildFailed", `failed to expand path pattern: ${error.message}`, "terminal", error);
  });
  const ready = object.status?.conditions?.find(({ type }) => type === "Ready");
  const applies = ready?.status !== "True" || ready.observedGeneration !== object.metadata.generation;
  const namespace = object.metadata.namespace ?? "";
  const make = async (output: Output): Promise<Published> => {
    const step = (reason: FailureReason, words: string) => (error: unknown) => {
      if (signal.aborted) throw error;
      throw new GeneratorFailure(reason, `${output.name} ${words} failed: ${messageOf(error)}`, "backOff", error);
    };
    const built = await buildOutput(output, namespace, trees, contents, context).catch(step("BuildFailed", "build"));
    const options = { known: known.get(output.name), sources, applies, failed: ready?.status !== "True" };
    const published = await publish(object, output, built, context, options).catch(
      step("ReconciliationFailed", "reconcile"),
    );
    if (published.told !== undefined) news.push(published.told);
    await forgetEarlier({ name: output.name, namespace }, published.artifact, context);
    return published;
  };
  return concurrently(outputs, parallel, make);
}

/** AG-024: what is no longer made goes, also what an attempt that failed has left. */
async function removeOrphans(
  { object, context }: Pass,
  inventory: readonly GeneratedArtifact[],
  inCluster: readonly KubernetesObject[],
): Promise<void> {
  const kept = new Set(inventory.map(({ namespace, name }) => `${namespace}/${name}`));
  await removeGenerated(
    allOf(object, inCluster).filter(({ namespace, name }) => !kept.has(`${namespace}/${name}`)),
    context,
  );
}

/**
 * What a generator has made, by its inventory and by its label. It makes nothing in another namespace: whoever may write its status must
 * not have Sluice remove what is somebody else's (TM-004).
 */
function allOf(
  { metadata, status }: ArtifactGenerator,
  inCluster: readonly KubernetesObject[],
): { namespace: string; name: string }[] {
  const all = new Map<string, { namespace: string; name: string }>();
  const labelled = inCluster.map(({ metadata: { namespace = "", name } }) => ({ namespace, name }));
  for (const { namespace, name } of [...(status?.inventory ?? []), ...labelled])
    if (namespace === metadata.namespace && subdomainProblems(name).length === 0) all.set(name, { namespace, name });
  return [...all.values()];
}

/** What is said of a made artifact, and tells whether it was made before. */
function toldOf({ namespace, name, digest }: GeneratedArtifact): string {
  return `${namespace}/${name} (${digest})`;
}

function toldBefore({ status }: ArtifactGenerator): Set<string> {
  return new Set((status?.inventory ?? []).map(toldOf));
}

/** What is new leaves a trace each. */
function tellEach(object: ArtifactGenerator, published: readonly Published[]): EventRecord[] {
  const before = toldBefore(object);
  return published
    .filter(({ entry }) => !before.has(toldOf(entry)))
    .map(({ entry: { namespace, name }, artifact: { revision } }) => ({
      type: "Trace",
      reason: "Ready",
      message: `ExternalArtifact/${namespace}/${name} reconciled with revision ${revision}`,
    }));
}

/** AG-027: what is new is told, once for all of it. */
function tellChanges(object: ArtifactGenerator, inventory: readonly GeneratedArtifact[]): EventRecord[] {
  const before = toldBefore(object);
  const changed = inventory.map(toldOf).filter((told) => !before.has(told));
  if (changed.length === 0) return [];
  return [{ type: "Normal", reason: "Ready", message: `external artifacts reconciled: ${changed.join("\n")}` }];
}

/** AG-003, AG-006, AG-026: what a failed attempt says, and when the next one is. */
function fail(pass: Pass, { reason, message, retry }: GeneratorFailure): Outcome {
  const { object, conditions, events, sources, context } = pass;
  const before = object.status?.conditions?.find(({ type }) => type === "Ready");
  const isKnown =
    before?.status === "False" &&
    before.message === message &&
    before.observedGeneration === object.metadata.generation;
  conditions.set("Ready", "False", reason, message);
  // A source that is awaited is asked for every few seconds: that it is still not there is no news.
  if (retry !== "wait" || !isKnown) events.push({ type: "Warning", reason, message });
  if (retry === "terminal") conditions.set("Stalled", "True", reason, message);
  const reconciling = conditions.get("Reconciling");
  if (reconciling !== undefined) conditions.set("Reconciling", "True", "ProgressingWithRetry", reconciling.message);
  const outcome = settled(pass);
  if (retry === "terminal") return outcome;
  if (retry === "backOff") return { ...outcome, again: { backOff: true } };
  const waitsFor = sources.flatMap((source) => ("artifact" in source ? [] : [source.reference]));
  const again = { afterSeconds: context.settings.requeueDependencySeconds, continuation: {} };
  return { ...outcome, again, ...(waitsFor.length === 0 ? {} : { waitsFor }) };
}

/** The end of every attempt: the object is woken when one of its sources offers something else (AG-005). */
function settled({ conditions, events, sources, status, published }: Pass): Outcome {
  if (conditions.get("Ready")?.status === "True" || conditions.get("Stalled")?.status === "True")
    conditions.remove("Reconciling");
  const follows = sources.flatMap((source) =>
    "artifact" in source ? [{ reference: source.reference, digest: source.artifact.digest }] : [],
  );
  return {
    status: { ...status, conditions: conditions.list() },
    events,
    ...(follows.length === 0 ? {} : { follows }),
    ...(published.length === 0 ? {} : { published }),
  };
}

/** AG-025: a generator that is disabled stays as it is. */
function leftAlone(object: KubernetesObject, { clock }: Pick<Context, "clock">): Outcome {
  const { status = {} } = object as ArtifactGenerator;
  const conditions = editConditions({ ...object, status }, () => clock.now());
  if (conditions.get("Ready") === undefined)
    conditions.set("Ready", "True", "ReconciliationDisabled", "Initialized with reconciliation suspended");
  const message = "Reconciliation is disabled";
  return {
    status: { ...status, conditions: conditions.list() },
    events: [{ type: "Trace", reason: "ReconciliationDisabled", message }],
  };
}

/** AG-024: nothing of what was made stays, whether or not the generator is disabled. */
const finalizeGenerator: Finalizer = async (object, context) => {
  const generator = object as ArtifactGenerator;
  try {
    await removeGenerated(allOf(generator, await listGenerated(generator, context)), context);
    return { done: true, events: [] };
  } catch (error) {
    const message = `garbage collection for deleted resource failed: ${messageOf(error)}`;
    const event = { type: "Warning", reason: "GarbageCollectionFailed", message } as const;
    return { done: false, events: [event], again: { backOff: true } };
  }
};
