import type { Artifact } from "../../api/artifact.ts";
import type { Context } from "../../engine/reconciler.ts";
import { wrongDigest } from "../../platform/artifact-digest.ts";
import { download } from "../../platform/http.ts";
import { messageOf } from "../../text/error-message.ts";
import { artifactKey, keyOfArtifactUrl } from "../artifact-storage.ts";

/** An object, and the artifact that its status offers. */
export type OfferedArtifact = { kind: string; namespace: string; name: string; artifact: Artifact };

/** An artifact that cannot be had: `what` tells apart those that another look may find. */
export class ArtifactUnavailable extends Error {
  readonly what: "foreign" | "missing" | "download" | "digest";

  constructor(what: ArtifactUnavailable["what"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ArtifactUnavailable";
    this.what = what;
  }
}

/** Larger artifacts are refused unless a caller says otherwise: they would not fit into the memory of a function. Bytes. */
const usualLimit = 512 * 1024 * 1024;

/**
 * The bytes of an artifact, their digest checked (KS-025, KS-026, ART-021): from the store where Sluice keeps it, else from the
 * address that somebody else serves it at, over HTTP (EA-003). Who may write a source's status must not reach what the store keeps of
 * another object (TM-004). `limit` bounds what is downloaded. Throws ArtifactUnavailable, whose cause has the bare words of what a
 * download or a digest came to.
 */
export async function fetchOfferedArtifact(
  { kind, namespace, name, artifact }: OfferedArtifact,
  context: Pick<Context, "artifacts" | "clusterId" | "endpoint" | "signal">,
  limit = usualLimit,
): Promise<Uint8Array> {
  const key = keyOfArtifactUrl(context.endpoint, artifact.url);
  const file = key?.slice(key.lastIndexOf("/") + 1) ?? "";
  if (key !== undefined && key !== artifactKey(context.clusterId, { kind, metadata: { namespace, name } }, file))
    throw new ArtifactUnavailable(
      "foreign",
      `the address in the status of ${kind}/${namespace}/${name} is not of an artifact of its own`,
    );
  const bytes =
    key === undefined ? await downloadArtifact(artifact.url, limit, context) : await context.artifacts.get(key);
  if (bytes === undefined) throw new ArtifactUnavailable("missing", "artifact not found");
  const problem = await wrongDigest(bytes, artifact.digest);
  if (problem !== undefined)
    throw new ArtifactUnavailable("digest", `failed to verify archive: ${problem}`, { cause: new Error(problem) });
  return bytes;
}

async function downloadArtifact(
  url: string,
  limit: number,
  { signal }: Pick<Context, "signal">,
): Promise<Uint8Array | undefined> {
  try {
    return await download(url, { limit, signal, redirects: 3 });
  } catch (error) {
    const words = messageOf(error);
    throw new ArtifactUnavailable("download", `failed to download archive: ${words}`, { cause: error });
  }
}
