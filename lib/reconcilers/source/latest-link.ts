import type { KubernetesObject } from "../../api/object.ts";
import type { Context } from "../../engine/reconciler.ts";
import { messageOf } from "../../text/error-message.ts";
import { artifactAddress, artifactKey } from "../artifact-storage.ts";
import type { SourcePass } from "./source-kind.ts";

/** The record that says which file of an object is the newest: `latest/<cluster>/<kind>/<namespace>/<name>` (lib/front reads it). */
function recordKey(context: Pick<Context, "clusterId">, object: Pick<KubernetesObject, "kind" | "metadata">): string {
  return `latest/${artifactKey(context.clusterId, object, "").replace(/\/$/, "")}`;
}

/** The stable address of an object's newest artifact (ART-017). */
export async function latestAddress(
  context: Pick<Context, "endpoint" | "clusterId" | "secrets">,
  object: Pick<KubernetesObject, "kind" | "metadata">,
  file: string,
): Promise<string> {
  return (await artifactAddress(context, artifactKey(context.clusterId, object, file))).url;
}

/** Lets the stable address lead to `newest`, and names it in the status. A failure is a trace, never the attempt's (ART-017). */
export async function linkLatest(pass: SourcePass, link: string, newest: string): Promise<void> {
  const { context, object, status } = pass;
  try {
    await context.records.put(recordKey(context, object), { file: newest }, "any");
    status.url = await latestAddress(context, object, link);
  } catch (error) {
    const message = `failed to update status URL symlink: ${messageOf(error)}`;
    pass.trace("SymlinkUpdateFailed", message);
  }
}

/** The address leads nowhere any more. */
export async function removeLatestLink(
  context: Pick<Context, "records" | "clusterId">,
  object: Pick<KubernetesObject, "kind" | "metadata">,
): Promise<void> {
  await context.records.remove(recordKey(context, object), "any");
}
