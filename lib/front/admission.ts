import { setTimeout as sleep } from "node:timers/promises";
import {
  type AdmissionRequest,
  admissionToken,
  admissionWork,
  allow,
  changedReference,
  parseAdmissionReview,
} from "../engine/admission.ts";
import type { ClusterConnections } from "../engine/clusters.ts";
import { usersOfReference, watchers } from "../engine/references.ts";
import { settingsReader } from "../engine/settings.ts";
import { enqueue, type WorkItem } from "../engine/work-item.ts";
import type { Platform } from "../platform/ports.ts";
import { parseLabelSelector } from "../text/label-selector.ts";
import { parseJson, readBody } from "./body.ts";
import { sameText } from "./same-text.ts";

/** Longest review, in bytes: an object before and after, each as large as the API server stores. */
const reviewBytes = 6 * 1024 * 1024;
/** Deepest review: far beyond what a schema allows. */
const reviewDepth = 200;
/** The API server gives up after two seconds; it is answered before (design, decision 5). */
const answerMilliseconds = 1500;
/** How long the seed is believed, in milliseconds. */
const seedMilliseconds = 60_000;

/**
 * Answers the API server's admission calls: always yes, at once; what the change makes worth a look is enqueued. A call that
 * cannot be enqueued is answered as well: the schedule finds what it told of.
 */
export function createAdmission(
  platform: Platform,
  { connect, runtimeNamespace = "flux-system" }: { connect: ClusterConnections; runtimeNamespace?: string },
): (request: Request, clusterId: string, token: string) => Promise<Response> {
  const { clock, log, secrets } = platform;
  let seed: { at: number; value: Promise<string | undefined> } | undefined;

  async function isCluster(clusterId: string, token: string): Promise<boolean> {
    const now = clock.now().getTime();
    if (seed === undefined || Math.abs(now - seed.at) > seedMilliseconds)
      seed = { at: now, value: secrets.read("admission-seed") };
    const reading = seed;
    const value = await reading.value.catch((error: unknown) => {
      if (seed === reading) seed = undefined;
      throw error;
    });
    if (value === undefined) {
      seed = undefined;
      return false;
    }
    return sameText(token, admissionToken(value.trim(), clusterId));
  }

  const readSettings = settingsReader(platform, runtimeNamespace);

  /** KS-009: those who refer to a watched ConfigMap or Secret. */
  async function referenceWork(clusterId: string, review: AdmissionRequest): Promise<WorkItem[]> {
    const change = changedReference(review);
    if (change === undefined) return [];
    const cluster = await connect(clusterId);
    const users = await Promise.all(
      [...watchers].map(async (component) => {
        const { owned, settings } = await readSettings(clusterId, cluster, component);
        if (!owned || settings.featureGates.DisableConfigWatchers === true) return [];
        if (!change.labels.some(parseLabelSelector(settings.watchConfigsLabelSelector))) return [];
        return usersOfReference(cluster, component, change.reference);
      }),
    );
    return users.flat().map((user) => ({ cluster: clusterId, ...user, cause: change.cause }));
  }

  async function work(clusterId: string, review: AdmissionRequest): Promise<void> {
    const referring = referenceWork(clusterId, review);
    await Promise.all([
      enqueue(platform, admissionWork(clusterId, review)),
      referring.then((items) => enqueue(platform, items)),
    ]);
  }

  return async (request, clusterId, token) => {
    if (!(await isCluster(clusterId, token))) return new Response(null, { status: 404 });
    const body = await readBody(request, reviewBytes);
    if (body === undefined) return new Response(null, { status: 413 });
    const review = parseAdmissionReview(parseJson(body, reviewDepth));
    if (review === undefined) return new Response(null, { status: 400 });
    const sent = work(clusterId, review).catch((error: unknown) =>
      log.error("an admission call could not be enqueued", { cluster: clusterId, error: String(error) }),
    );
    const late = new AbortController();
    await Promise.race([sent, sleep(answerMilliseconds, undefined, { signal: late.signal }).catch(() => undefined)]);
    late.abort();
    return Response.json(allow(review.uid));
  };
}
