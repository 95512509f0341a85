import { artifactToken } from "../engine/token.ts";
import type { Platform } from "../platform/ports.ts";
import { sameText } from "./same-text.ts";

/** The kinds that have artifacts, as they stand in paths (ART-002). */
const kinds = ["bucket", "externalartifact", "gitrepository", "helmchart", "helmrepository", "ocirepository"];

/** Files that stand for the newest of an object (ART-017). */
const latestFiles = ["index.yaml", "latest.tar.gz"];

/** How long a link is good for, in seconds: a consumer follows it at once. */
const linkSeconds = 300;

/**
 * Token and key of the store behind the path of an artifact, `/artifacts/<token>/<cluster>/<kind>/<namespace>/<name>/<file>`;
 * undefined for every other path, so that nothing else of the store is ever served.
 */
export function parseArtifactPath(path: string): { token: string; key: string } | undefined {
  const [, room, token = "", cluster = "", kind = "", ...names] = path.split("/");
  const isSegment = (segment: string) => /^[A-Za-z0-9][A-Za-z0-9._+:-]{0,252}$/.test(segment);
  if (room !== "artifacts" || !kinds.includes(kind) || names.length !== 3) return undefined;
  return isSegment(cluster) && names.every(isSegment) ? { token, key: [cluster, kind, ...names].join("/") } : undefined;
}

/**
 * Answers a GET or HEAD of an artifact: a short-lived link where the platform has one, else the bytes (design, decision 8;
 * ART-004). Who has not the token of the very key is refused with 403, and learns nothing, not even whether it is there (SN-001, TM-004);
 * 404 is for who has it, where the artifact is gone.
 */
export async function serveArtifact(
  { artifacts, records, secrets }: Pick<Platform, "artifacts" | "records" | "secrets">,
  request: Request,
): Promise<Response> {
  const asked = parseArtifactPath(new URL(request.url).pathname);
  if (asked === undefined) return new Response(null, { status: 403 });
  const { token, key: named } = asked;
  if (!sameText(token, await artifactToken(secrets, named))) return new Response(null, { status: 403 });
  const key = await newestOf(records, named);
  const stored = await artifacts.head(key);
  if (stored === undefined) return new Response(null, { status: 404 });
  const headers = {
    "content-type": key.endsWith(".gz") || key.endsWith(".tgz") ? "application/gzip" : "application/octet-stream",
    "content-length": String(stored.size),
    "last-modified": stored.modified.toUTCString(),
  };
  if (request.method === "HEAD") return new Response(null, { headers });
  const link = await artifacts.link(key, linkSeconds);
  if (link !== undefined)
    return new Response(null, { status: 302, headers: { location: link, "cache-control": "no-store" } });
  const body = await artifacts.get(key);
  if (body === undefined) return new Response(null, { status: 404 });
  return new Response(Buffer.from(body), { headers: { ...headers, "content-length": String(body.byteLength) } });
}

/** The key that the stable address of an object leads to now, or the key itself where it is of one artifact. */
async function newestOf(records: Platform["records"], key: string): Promise<string> {
  const slash = key.lastIndexOf("/");
  if (!latestFiles.includes(key.slice(slash + 1))) return key;
  const newest = (await records.get(`latest/${key.slice(0, slash)}`))?.value;
  const file = typeof newest === "object" && newest !== null && "file" in newest ? newest.file : undefined;
  return typeof file === "string" ? `${key.slice(0, slash)}/${file}` : key;
}
