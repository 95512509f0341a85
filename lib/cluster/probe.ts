import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { KubernetesObject } from "../api/object.ts";
import { messageOf } from "../text/error-message.ts";
import { ApiError } from "./api-error.ts";
import type { ApplyOptions } from "./apply.ts";
import type { ClusterClient } from "./client.ts";
import { migrateFields, takeOverFields } from "./field-managers.ts";
import { comparable, contentDigestOf } from "./fingerprint.ts";
import { type IgnoreRules, ignoredPaths, withoutPaths, yieldIgnored } from "./ignore.ts";
import { isFrozen, isMarked } from "./object-metadata.ts";
import { applyObject, findMetadata, findObject, type JsonPatchOperation, patchObject } from "./objects.ts";
import { groupOf } from "./order.ts";
import type { Planned } from "./plan.ts";
import { makeRoom, mayRecreate } from "./recreate.ts";
import { formatRefusal, isImmutable, isWriteConflict } from "./refusal.ts";
import { formatSubject } from "./subject.ts";
import { dropUndeclared } from "./undeclared.ts";

/** What a look at one object says is to be done. */
export type Probe =
  /** Nothing, as it asks; `live` where it is there. */
  | { verdict: "skipped"; live?: KubernetesObject }
  /** Where it `isRecorded`, `live` is what a dry run made of it, and the record tells how it is. */
  | { verdict: "unchanged"; live: KubernetesObject; isRecorded?: true }
  /**
   * It is written; `from` is the resourceVersion that it has before, where a dry run has not been compared with it. `yielding` is
   * what is sent instead of what is wanted, where others have fields of it (KS-151).
   */
  | { verdict: "apply"; action: "created" | "configured"; from?: string; yielding?: KubernetesObject }
  /** It is being deleted to be made anew, and is not gone yet. */
  | { verdict: "leaving" };

/** What looks at one set share. */
export type Probing = {
  client: ClusterClient;
  options: ApplyOptions;
  /** Groups whose definitions were applied a moment ago: the API server may take another one to serve them. */
  freshGroups: ReadonlySet<string>;
  /** What is left to others (KS-150). */
  ignored: IgnoreRules;
};

/** An object was refused; the message is what is to be said of it. */
export class Refused extends Error {
  constructor(message: string, cause: unknown) {
    super(message, { cause });
    this.name = "Refused";
  }
}

/** How often a dry run that met another writer is sent at most. */
const attempts = 3;
/** How long a definition that is established may take to be served, in milliseconds. */
const servedMilliseconds = 1500;

/**
 * Looks at one object (section 9 of kustomization.md, step a): reads it, tries to apply it, takes over what clients wrote,
 * and tells whether it has to be written. Throws Refused with Flux's text.
 */
export async function probeObject(probing: Probing, plan: Planned): Promise<Probe> {
  const { client, options } = probing;
  const { object, reference } = plan;
  const { group, signal } = options;
  if (isFrozen(object, group)) return { verdict: "skipped" };
  if (isMarked(object, `${group}/ssa`, "IfNotPresent")) {
    const present = await ignoreForbidden(findMetadata(client, reference, signal));
    if (present !== undefined) return { verdict: "skipped", live: present };
  }
  const read = () => ignoreForbidden(findObject<KubernetesObject>(client, reference, signal));
  const before = options.migrateApiVersion === true ? await read() : undefined;
  if (isFrozen(before, group) && before !== undefined) return { verdict: "skipped", live: before };
  const migrated = before === undefined ? undefined : await migrate(probing, plan, before);
  const { recorded } = plan;
  const isCompared = mustCompare(probing, plan);
  // Where changes by others are told, what the record does not know to be theirs is not looked for.
  const isTrusted = options.look === "changed" && plan.isChanged === true && !isCompared;
  const isReadAnyway =
    before === undefined && recorded !== undefined && (isCompared || (recorded.content === undefined && !isTrusted));
  const [first, known] = await Promise.all([
    tryApply(probing, plan),
    isReadAnyway ? ignoreErrors(read()) : (migrated ?? before),
  ]);
  let trial = first;
  if (!isCompared && !("error" in trial) && isAsRecorded(recorded, trial.object)) {
    const isDrifted = contentDigestOf(trial.object, options.digestKey) !== recorded?.content;
    if (isDrifted) return { verdict: "apply", action: "configured" };
    return { verdict: "unchanged", live: trial.object, isRecorded: true };
  }
  const isUnread = isTrusted && known === undefined;
  if (isUnread && !("error" in trial) && isNextOf(recorded, trial.object) && isOurs(probing, trial.object)) {
    return { verdict: "apply", action: "configured", from: trial.object.metadata.resourceVersion ?? "" };
  }
  const exists = "error" in trial || trial.object.metadata.resourceVersion !== undefined;
  // Without the live object nobody knows what of it is others': then nothing is written.
  const required = isCompared && !("error" in trial) ? told(plan, read) : () => ignoreErrors(read());
  const live = known ?? (exists ? await required() : undefined);
  // Somebody wrote between the two: they are not of the same object.
  if (live !== undefined && !("error" in trial) && !isSameVersion(live, trial.object))
    trial = await tryApply(probing, plan);
  if (live !== undefined && isFrozen(live, group)) return { verdict: "skipped", live };
  if ("error" in trial) return recreate(probing, plan, live, trial.error);
  if (!exists) return { verdict: "apply", action: "created" };
  const cleaned = live === undefined ? undefined : await takeOver(probing, plan, live);
  const current = cleaned ?? live;
  const paths = ignoredPaths(probing.ignored, trial.object);
  const isPatched = cleaned !== undefined || migrated !== undefined;
  if (current !== undefined && !isPatched && !hasDrifted(current, trial.object, paths))
    return { verdict: "unchanged", live: current };
  if (current === undefined || paths.length === 0) return { verdict: "apply", action: "configured" };
  const seen = { live: current, tried: trial.object };
  return {
    verdict: "apply",
    action: "configured",
    yielding: yieldIgnored(plan.object, seen, paths, options.fieldManager),
  };
}

/** Whether an object has to be compared with the live one in full, whatever the record tells. */
export function mustCompare({ ignored, options }: Probing, { reference }: Planned): boolean {
  return options.migrateApiVersion === true || ignored.some(({ mayMatch }) => mayMatch(reference));
}

/** What a dry run makes of an object. */
export type Trial = { object: KubernetesObject } | { error: unknown };

/** A dry run. Fields that a kind of Kubernetes' own does not have are taken off the plan's object, which is then tried again. */
export async function tryApply(probing: Probing, plan: Planned): Promise<Trial> {
  const { client, options, freshGroups } = probing;
  const { fieldManager, signal } = options;
  const isFresh = freshGroups.has(groupOf(plan.object.apiVersion));
  const end = Date.now() + servedMilliseconds;
  for (let attempt = 1; ; attempt++) {
    try {
      return { object: await applyObject(client, plan.object, { fieldManager, force: true, dryRun: true }, signal) };
    } catch (error) {
      if (signal?.aborted === true) throw error;
      const mended = plan.dropped === undefined ? dropUndeclared(plan.object, error) : undefined;
      if (mended !== undefined) {
        plan.object = mended.object;
        plan.dropped = mended.dropped;
        continue;
      }
      const isRepeatable =
        (isFresh && isNotServed(error) && Date.now() < end) || (attempt < attempts && isWriteConflict(error));
      if (!isRepeatable) return { error };
      await sleep(20 * Math.min(attempt, 5));
    }
  }
}

function isNotServed(error: unknown): boolean {
  return error instanceof ApiError && error.statusCode === 404 && error.message.includes("the requested resource");
}

/** KS-148: what cannot be changed may be deleted and made anew, if that was asked for and would succeed. */
async function recreate(
  probing: Probing,
  plan: Planned,
  live: KubernetesObject | undefined,
  error: unknown,
): Promise<Probe> {
  const { client, options } = probing;
  const { object, reference } = plan;
  if (live === undefined || !isImmutable(error) || !mayRecreate(object, live, options)) {
    throw new Refused(formatRefusal(reference, error), error);
  }
  const room = await makeRoom(client, object, live, options);
  if (room.outcome === "invalid") throw new Refused(formatRefusal(reference, room.error ?? error), room.error ?? error);
  if (room.outcome === "undeletable") {
    const subject = formatSubject(reference);
    throw new Refused(`${subject} immutable field detected, failed to delete object: ${room.error}`, error);
  }
  if (room.outcome === "leaving") return { verdict: "leaving" };
  const trial = room.isTried ? undefined : await tryApply(probing, plan);
  if (trial !== undefined && "error" in trial) throw new Refused(formatRefusal(reference, trial.error), trial.error);
  return { verdict: "apply", action: "created" };
}

/** KS-143. The object as it is when something of it was taken over, after which it has to be applied. */
async function takeOver(
  probing: Probing,
  plan: Planned,
  live: KubernetesObject,
): Promise<KubernetesObject | undefined> {
  const { group, fieldManager, overrideManagers = [] } = probing.options;
  if (isMarked(plan.object, `${group}/ssa`, "Merge") || isMarked(live, `${group}/ssa`, "Merge")) return undefined;
  const operations = takeOverFields(live, fieldManager, overrideManagers);
  return patchLive(probing, plan, operations, "metadata.managedFields cleanup failed");
}

/** KS-152. The object as it is when its managed fields were brought to the wanted version, after which it has to be applied. */
async function migrate(probing: Probing, plan: Planned, live: KubernetesObject): Promise<KubernetesObject | undefined> {
  const { apiVersion } = plan.object;
  const failure = `failed to migrate API version: failed to migrate managed fields API version to ${apiVersion}`;
  return patchLive(probing, plan, migrateFields(live, apiVersion), failure);
}

/** Undefined where there is nothing to patch. */
async function patchLive(
  { client, options }: Probing,
  { reference }: Planned,
  operations: readonly JsonPatchOperation[],
  failure: string,
): Promise<KubernetesObject | undefined> {
  const { fieldManager, signal } = options;
  if (operations.length === 0) return undefined;
  try {
    return await patchObject(client, reference, { json: operations }, { fieldManager }, signal);
  } catch (error) {
    const message = messageOf(error);
    throw new Refused(`${formatSubject(reference)} ${failure}: ${message}`, error);
  }
}

/**
 * Whether the live object, of which a dry run tells the resourceVersion, is the one that was recorded, so that it need not be
 * read: nobody has touched it since, and what it holds is known by its digest.
 */
function isAsRecorded(recorded: Planned["recorded"], tried: KubernetesObject): boolean {
  const { uid, resourceVersion } = tried.metadata;
  return recorded?.content !== undefined && recorded.uid === uid && recorded.resourceVersion === resourceVersion;
}

function isSameVersion(live: KubernetesObject, tried: KubernetesObject): boolean {
  return live.metadata.resourceVersion === tried.metadata.resourceVersion;
}

/** Whether a dry run changed more than metadata of an object that is known: then there is nothing to compare (KS-141). */
function isNextOf(recorded: Planned["recorded"], { metadata }: KubernetesObject): boolean {
  const isKnown = recorded?.generation !== undefined && recorded.uid === metadata.uid;
  return isKnown && metadata.generation !== undefined && metadata.generation !== recorded.generation;
}

/**
 * Whether what a dry run tells of a live object, which keeps the marks and the managers that others have put on it, asks for
 * nothing but the write.
 */
function isOurs({ options }: Probing, tried: KubernetesObject): boolean {
  const { group, fieldManager, overrideManagers = [] } = options;
  return !isFrozen(tried, group) && takeOverFields(tried, fieldManager, overrideManagers).length === 0;
}

/** Whether anything that counts differs (KS-141), but for what is left to others (KS-150). */
export function hasDrifted(live: KubernetesObject, wanted: KubernetesObject, ignored: readonly string[]): boolean {
  return !isDeepStrictEqual(comparable(withoutPaths(live, ignored)), comparable(withoutPaths(wanted, ignored)));
}

/** A read whose failure is what is said of the object. */
function told<T>({ reference }: Planned, read: () => Promise<T>): () => Promise<T> {
  return async () => {
    try {
      return await read();
    } catch (error) {
      const message = messageOf(error);
      throw new Refused(`${formatSubject(reference)} query failed: ${message}`, error);
    }
  };
}

/** Who may apply an object but not read it does as if it were not there. */
async function ignoreForbidden<T>(reading: Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof ApiError && error.statusCode === 403) return undefined;
    throw error;
  }
}

/** A read that only explains a refusal: the refusal is what counts. */
async function ignoreErrors<T>(reading: Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await reading;
  } catch {
    return undefined;
  }
}
