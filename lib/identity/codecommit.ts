import { createHash, createHmac } from "node:crypto";
import { type AwsCredentials, IdentityError } from "./identity.ts";

/** What AWS CodeCommit takes instead of a user and a password, and when it no longer does. */
export type CodeCommitCredentials = { username: string; password: string; expiresAt: Date };

const service = "codecommit";
/** How long a signature is good for, in milliseconds. */
const lifetime = 15 * 60_000;

/** The region of a repository's URL (GIT-067). Throws an IdentityError where it is none of CodeCommit's. */
export function codeCommitRegion(url: URL): string {
  if (url.protocol !== "https:") throw new IdentityError("AWS CodeCommit authentication requires an HTTPS Git URL");
  const host = url.hostname;
  const isCodeCommit =
    /^git-codecommit(-fips)?\./.test(host) && /\.amazonaws\.com(\.cn)?$/.test(host) && host.split(".").length >= 4;
  const region = host.split(".")[1];
  if (!isCodeCommit || region === undefined) throw new IdentityError(`invalid AWS CodeCommit Git URL: ${url.host}`);
  return region;
}

/**
 * Signs for one repository (GIT-068): Signature Version 4 of a request whose method is `GIT`, with its host alone and without a
 * body. Throws as `codeCommitRegion`.
 */
export function codeCommitCredentials(url: URL, credentials: AwsCredentials, now: Date): CodeCommitCredentials {
  const region = codeCommitRegion(url);
  const { accessKeyId, secretAccessKey, sessionToken, expiresAt } = credentials;
  const time = now.toISOString().slice(0, 19).replaceAll(/[-:]/g, "");
  const day = time.slice(0, 8);
  const scope = `${day}/${region}/${service}/aws4_request`;
  const request = ["GIT", canonicalPath(url), canonicalQuery(url), `host:${url.host}`, "", "host", ""].join("\n");
  const signed = ["AWS4-HMAC-SHA256", time, scope, createHash("sha256").update(request).digest("hex")].join("\n");
  const key = [day, region, service, "aws4_request"].reduce<Buffer | string>(hmac, `AWS4${secretAccessKey}`);
  const ends = new Date(now.getTime() + lifetime);
  return {
    username: sessionToken === undefined ? accessKeyId : `${accessKeyId}%${sessionToken}`,
    password: `${time}Z${hmac(key, signed).toString("hex")}`,
    expiresAt: expiresAt !== undefined && expiresAt < ends ? expiresAt : ends,
  };
}

function hmac(key: Buffer | string, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

/** Each part of the path is encoded once more, as for all services but S3. */
function canonicalPath(url: URL): string {
  return url.pathname.split("/").map(encoded).join("/");
}

function canonicalQuery(url: URL): string {
  const pairs = [...url.searchParams].map(([name, value]) => `${encoded(name)}=${encoded(value)}`);
  return pairs.sort().join("&");
}

function encoded(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}
