import type { ClusterClient } from "../cluster/client.ts";
import type { Logger } from "../platform/ports.ts";
import type { FreshObject } from "./fresh.ts";
import { mergedStatus } from "./own-status.ts";
import type { Status } from "./reconciler.ts";
import { writeStatus } from "./status.ts";
import type { Kind } from "./work-item.ts";

/** A pass that takes longer says in the status what it is doing (SN-10); most passes end before and write once. */
const slowPassMilliseconds = 2000;

/** What users see of a pass while it runs. */
export type Progress = {
  /** Says what the pass is doing: written when the pass turns out to be a slow one (KS-220). */
  report(status: Status): void;
  /** Writes a status now (SRC-008, SRC-009). */
  write(status: Status): Promise<void>;
  /** Ends the reporting, waits for a write that is under way, and returns the object as it was last stored. */
  stop(): Promise<FreshObject>;
};

/** Follows one pass over `object`. A progress that cannot be written is logged: it never fails the pass. */
export function createProgress(cluster: ClusterClient, kind: Kind, object: FreshObject, log: Logger): Progress {
  let latest = object;
  let reported: Status | undefined;
  let writing: Promise<void> = Promise.resolve();

  const write = (status: Status): Promise<void> => {
    writing = writing.then(async () => {
      latest = (await writeStatus(cluster, kind, latest, (current) => mergedStatus(current, status))).object;
    });
    return writing;
  };
  const slow = setTimeout(() => {
    if (reported === undefined) return;
    write(reported).catch((error: unknown) =>
      log.warn("the progress of a slow pass could not be written", { error: String(error) }),
    );
  }, slowPassMilliseconds);

  return {
    report: (status) => {
      reported = status;
    },
    write,
    stop: async () => {
      clearTimeout(slow);
      await writing.catch(() => undefined);
      return latest;
    },
  };
}
