import { setTimeout as sleep } from "node:timers/promises";
import { admissionToken, admissionWork, allow, parseAdmissionReview } from "../engine/admission.ts";
import { enqueue } from "../engine/work-item.ts";
import type { Platform } from "../platform/ports.ts";
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

  return async (request, clusterId, token) => {
    if (!(await isCluster(clusterId, token))) return new Response(null, { status: 404 });
    const body = await readBody(request, reviewBytes);
    if (body === undefined) return new Response(null, { status: 413 });
    const review = parseAdmissionReview(parseJson(body, reviewDepth));
    if (review === undefined) return new Response(null, { status: 400 });
    const items = admissionWork(clusterId, review);
    const sent = enqueue(platform, items).catch((error: unknown) =>
      log.error("an admission call could not be enqueued", { cluster: clusterId, error: String(error) }),
    );
    const late = new AbortController();
    await Promise.race([sent, sleep(answerMilliseconds, undefined, { signal: late.signal }).catch(() => undefined)]);
    late.abort();
    return Response.json(allow(review.uid));
  };
}
