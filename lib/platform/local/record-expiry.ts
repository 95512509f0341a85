import type { RecordExpiry } from "./record-store.ts";

const day = 86_400;

/**
 * How long records are kept without which the next look costs a request more, and nothing else, as the bucket's life-cycle rules have
 * it (infra/storage.ts). All others are kept until what they are of goes.
 */
export const recordExpiry: RecordExpiry[] = [
  { prefix: "notified/", seconds: day },
  { prefix: "tokens/", seconds: day },
  { prefix: "checks/", seconds: 30 * day },
  { prefix: "contents/", seconds: 30 * day },
];
