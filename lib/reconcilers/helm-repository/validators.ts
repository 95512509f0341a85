import type { Validators } from "../../chart/download.ts";
import type { Context } from "../../engine/reconciler.ts";
import type { Json } from "../../platform/ports.ts";
import { messageOf } from "../../text/error-message.ts";
import { sharedKey } from "../source/shared-record.ts";

/** What a server said of an index, and that index's revision. */
export type KnownIndex = { revision: string; validators: Validators };

/** Longest validators that are kept, in characters: servers write dozens. */
const validatorLimit = 1024;

/** The record of all objects that ask the same server with the same credentials: no tenant hears of what only another may ask for. */
function recordKey(context: Pick<Context, "secrets">, asked: Json): Promise<string> {
  return sharedKey(context, "checks", ["validators", asked]);
}

/** What is known of an index from when it was last fetched (SB-007). */
export async function knownIndex(
  context: Pick<Context, "secrets" | "records">,
  asked: Json,
): Promise<KnownIndex | undefined> {
  const value = (await context.records.get(await recordKey(context, asked)))?.value;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const { revision, etag, lastModified } = value;
  if (typeof revision !== "string") return undefined;
  const validators = {
    ...(typeof etag === "string" ? { etag } : {}),
    ...(typeof lastModified === "string" ? { lastModified } : {}),
  };
  return Object.keys(validators).length === 0 ? undefined : { revision, validators };
}

/** Keeps it where it differs from what is known. Without it the next look costs more, nothing else. */
export async function keepIndex(
  context: Pick<Context, "secrets" | "records" | "log">,
  asked: Json,
  { revision, validators }: KnownIndex,
  known: KnownIndex | undefined,
): Promise<void> {
  const { etag, lastModified } = validators;
  const isSame =
    known?.revision === revision && known.validators.etag === etag && known.validators.lastModified === lastModified;
  if (isSame || (etag ?? "").length + (lastModified ?? "").length > validatorLimit) return;
  try {
    await context.records.put(await recordKey(context, asked), { revision, ...validators }, "any");
  } catch (error) {
    const words = messageOf(error);
    context.log.warn("what the server said of the index could not be kept", { error: words });
  }
}
