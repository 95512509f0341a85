import type { Context } from "../../engine/reconciler.ts";
import { VerificationError } from "../../oci/verification-error.ts";
import { messageOf } from "../../text/error-message.ts";

/** What the public trusted root is kept with. */
export type TrustedRootContext = Pick<Context, "records" | "clock" | "log">;

const record = "sigstore/trusted-root";
const minute = 60_000;
/** A root that was fetched serves for a day, and for a week where no newer one can be had: keys may have been withdrawn since. */
const lives = { fresh: 24 * 60 * minute, kept: 7 * 24 * 60 * minute };

type Kept = { root: string; at: number; failedAt: number; failure: string };

/**
 * The trusted root of Sigstore's public infrastructure, shared by all objects of the deployment and kept beyond an invocation (VER-010,
 * SN-008): fetched by TUF where the kept one is a day old, and after a failure at most once a minute. Throws VerificationError
 * `unable to initialize trusted root: ...` where there is none that serves. `fetch` is for tests.
 */
export async function publicTrustedRoot(
  context: TrustedRootContext,
  fetch: () => Promise<Buffer> = async () => (await import("../../oci/sigstore-tuf.ts")).fetchTrustedRoot(),
): Promise<Buffer> {
  const kept = await read(context);
  const now = context.clock.now().getTime();
  if (kept.root !== "" && now - kept.at < lives.fresh) return Buffer.from(kept.root);
  let { failure } = kept;
  if (failure === "" || now - kept.failedAt >= minute) {
    try {
      const root = await fetch();
      await write(context, { root: root.toString("utf8"), at: now, failedAt: 0, failure: "" });
      return root;
    } catch (error) {
      failure = messageOf(error);
      await write(context, { ...kept, failedAt: now, failure });
    }
  }
  if (kept.root !== "" && now - kept.at < lives.kept) return Buffer.from(kept.root);
  throw new VerificationError(`unable to initialize trusted root: ${failure}`);
}

async function read({ records }: TrustedRootContext): Promise<Kept> {
  const value = (await records.get(record))?.value;
  const { root, at, failedAt, failure } =
    typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
  return {
    root: typeof root === "string" ? root : "",
    at: typeof at === "number" ? at : 0,
    failedAt: typeof failedAt === "number" ? failedAt : 0,
    failure: typeof failure === "string" ? failure : "",
  };
}

/** What cannot be kept is fetched again. */
async function write({ records, log }: TrustedRootContext, kept: Kept): Promise<void> {
  try {
    await records.put(record, kept, "any");
  } catch (error) {
    log.warn("the trusted root of Sigstore could not be kept", { error: error instanceof Error ? error.message : "" });
  }
}
