import { createHash } from "node:crypto";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";

/** A layer as it is pushed, with its media type. */
export type PushedLayer = { mediaType: string; content: Buffer };

/** What an artifact is made of. */
export type PushedArtifact = {
  layers?: PushedLayer[];
  annotations?: Record<string, string>;
  config?: PushedLayer;
  artifactType?: string;
};

/** Where to push, and as whom. */
export type PushTarget = { url: string; repository: string; user?: { username: string; password: string } };

/** What `flux push artifact` calls the layer of an artifact, and its configuration. */
export const contentType = "application/vnd.cncf.flux.content.v1.tar+gzip";
const configType = "application/vnd.cncf.flux.config.v1+json";
const manifestType = "application/vnd.oci.image.manifest.v1+json";

/** `sha256:<hex>` of bytes. */
export function digestOf(bytes: Buffer | string): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** Pushes an artifact under a tag or without one; resolves with the manifest's descriptor. */
export async function pushArtifact(target: PushTarget, tag: string | undefined, artifact: PushedArtifact) {
  const config = artifact.config ?? { mediaType: configType, content: Buffer.from("{}") };
  const layers = artifact.layers ?? [];
  const described = await Promise.all([config, ...layers].map((blob) => pushBlob(target, blob)));
  const manifest = {
    ...{ schemaVersion: 2, mediaType: manifestType, config: described[0], layers: described.slice(1) },
    ...(artifact.annotations === undefined ? {} : { annotations: artifact.annotations }),
  };
  return pushManifest(target, tag, manifestType, Buffer.from(JSON.stringify(manifest)));
}

/** An artifact in a registry, by its repository's path and its digest; `reference` is both, as programs that sign take it. */
export type PushedReference = { repository: string; digest: string; reference: string };

/** Pushes artifacts of one layer, each to the repository `team/app-<n>` with content of its own. */
export function artifactPusher(registry: () => { url: string; address: string }): () => Promise<PushedReference> {
  let count = 0;
  return async () => {
    count += 1;
    const { url, address } = registry();
    const repository = `team/app-${count}`;
    const layers = [{ mediaType: "text/plain", content: Buffer.from(`content ${count}`) }];
    const { digest } = await pushArtifact({ url, repository }, "v1", { layers });
    return { repository, digest, reference: `${address}/${repository}@${digest}` };
  };
}

/** Pushes bytes as a manifest; resolves with its descriptor. */
export async function pushManifest(target: PushTarget, tag: string | undefined, mediaType: string, bytes: Buffer) {
  const digest = digestOf(bytes);
  await send(target, "PUT", `manifests/${tag ?? digest}`, 201, bytes, { "content-type": mediaType });
  return { mediaType, digest, size: bytes.length };
}

/** Pushes a blob; resolves with its descriptor. */
export async function pushBlob(target: PushTarget, { mediaType, content }: PushedLayer) {
  const digest = digestOf(content);
  const location = await send(target, "POST", "blobs/uploads/", 202);
  const upload = new URL(location, target.url);
  upload.searchParams.set("digest", digest);
  await send(target, "PUT", upload.href, 201, content, { "content-type": "application/octet-stream" });
  return { mediaType, digest, size: content.length };
}

/** Removes a tag, as `DELETE /v2/<name>/manifests/<tag>` does. */
export async function removeTag(target: PushTarget, tag: string): Promise<void> {
  await send(target, "DELETE", `manifests/${tag}`, 202);
}

function send(
  { url, repository, user }: PushTarget,
  method: string,
  path: string,
  wanted: number,
  body?: Buffer,
  headers: Record<string, string> = {},
): Promise<string> {
  const to = new URL(path, `${url}/v2/${repository}/`);
  const credentials = user === undefined ? undefined : Buffer.from(`${user.username}:${user.password}`);
  const shown = credentials === undefined ? {} : { authorization: `Basic ${credentials.toString("base64")}` };
  const start = to.protocol === "https:" ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const options = { method, agent: false, rejectUnauthorized: false } as const;
    const sent = start(
      to,
      { ...options, headers: { ...shown, ...headers, "content-length": body?.length ?? 0 } },
      (answer) => {
        answer.resume();
        if (answer.statusCode === wanted) resolve(answer.headers.location ?? "");
        else reject(new Error(`${method} ${to.pathname}: ${answer.statusCode}`));
      },
    );
    sent.once("error", reject);
    sent.end(body);
  });
}
