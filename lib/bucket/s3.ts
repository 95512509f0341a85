import type { IncomingMessage } from "node:http";
import { awsSigner, signedHeaders } from "../identity/aws-signature.ts";
import type { Outbound } from "../platform/outbound.ts";
import type { AwsCredentials } from "../platform/ports.ts";
import { type ListedObject, type ObjectStore, ObjectStoreError, pageLimit, type ReadObject } from "./object-store.ts";
import { askStore, bodyOf, errorText, objectOf, type StoreRequest } from "./store-request.ts";
import { type Element, elementOf, elementsOf, parseXml, textOf } from "./xml.ts";

/** A bucket behind an API of S3 (BKT-001, BKT-020 to BKT-023). */
export type S3Bucket = {
  /** `host[:port]`. */
  endpoint: string;
  bucket: string;
  /** Where it is not said, the store is asked, and `us-east-1` tried first (BKT-022). */
  region?: string;
  insecure: boolean;
  /** Absent for anonymous requests. */
  credentials?: () => Promise<AwsCredentials>;
  outbound: Outbound;
};

/** The SHA-256 of nothing, which every request here sends. */
const emptyDigest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/** One bucket of S3 or of a store that speaks as S3 does. Throws ObjectStoreError for an endpoint that is none. */
export function s3Store(options: S3Bucket): ObjectStore {
  const { bucket, outbound } = options;
  let region = options.region || regionOf(bucketUrl(options).hostname) || "us-east-1";
  let base = bucketUrl({ ...options, region });

  /** `path` is below the bucket, escaped. */
  const request = (
    method: "GET" | "HEAD",
    path: string,
    query: string,
    headers: Record<string, string> = {},
  ): StoreRequest => {
    const whole = `${base.pathname}${path}`;
    const url = new URL(base);
    url.search = query;
    return { method, url, path: `${whole}${url.search}`, headers: () => signed(method, url, whole, headers) };
  };
  const signed = async (method: "GET" | "HEAD", url: URL, path: string, headers: Record<string, string>) => {
    if (options.credentials === undefined) return headers;
    const signer = awsSigner("s3", region, await options.credentials(), { uriEscapePath: false });
    const unsigned = { ...headers, "x-amz-content-sha256": emptyDigest };
    return signedHeaders(signer, { method, url: url.href, path, headers: unsigned });
  };
  /** The store says which region the bucket is in, where it is another one. */
  const send = async (
    method: "GET" | "HEAD",
    { path = "", query = "", headers }: { path?: string; query?: string; headers?: Record<string, string> },
    signal: AbortSignal,
  ) => {
    checkName(bucket);
    const answer = await askStore(request(method, path, query, headers), outbound, signal);
    const told = answer.headers["x-amz-bucket-region"];
    if (!isRegionTrouble(answer) || typeof told !== "string" || told === region || options.region) return answer;
    answer.destroy();
    region = told;
    base = bucketUrl({ ...options, region });
    return askStore(request(method, path, query, headers), outbound, signal);
  };

  return {
    exists: async (signal) => {
      const answer = await send("HEAD", {}, signal);
      answer.resume();
      const status = answer.statusCode ?? 0;
      if (status === 200) return true;
      if (status === 404) return false;
      throw new ObjectStoreError(status === 403 ? "AccessDenied" : "", headWords(status));
    },
    list: async function* (prefix, signal) {
      let token = "";
      do {
        const query = queryOf({
          "list-type": "2",
          "encoding-type": "url",
          ...(prefix === "" ? {} : { prefix }),
          ...(token === "" ? {} : { "continuation-token": token }),
        });
        const answer = await send("GET", { query }, signal);
        if (answer.statusCode !== 200) throw await failureOf(answer);
        const result = elementOf(
          (await parseXml((await bodyOf(answer, pageLimit, signal)).toString("utf8"))).ListBucketResult,
        );
        yield listed(result);
        const next = textOf(result.IsTruncated) === "true" ? textOf(result.NextContinuationToken) : "";
        if (next !== "" && next === token)
          throw new ObjectStoreError("", `the listing of bucket '${bucket}' does not end`);
        token = next;
      } while (token !== "");
    },
    read: ({ key, etag }, limit, signal) => read(key, etag, limit, signal),
  };

  async function read(
    key: string,
    etag: string | undefined,
    limit: number,
    signal: AbortSignal,
  ): Promise<ReadObject | undefined> {
    const path = key.split("/").map(escaped).join("/");
    const headers: Record<string, string> = etag === undefined ? {} : { "if-match": `"${etag}"` };
    const answer = await send("GET", { path, headers }, signal);
    // It has changed since it was listed.
    if (answer.statusCode === 412 && etag !== undefined) {
      answer.destroy();
      return read(key, undefined, limit, signal);
    }
    if (answer.statusCode !== 200) {
      const failure = await failureOf(answer);
      if (failure.code === "NoSuchKey") return undefined;
      throw failure;
    }
    const bytes = await objectOf(answer, limit, signal);
    return { etag: unquoted(answer.headers.etag ?? ""), bytes };
  }
}

/** The host's own name for buckets where it is one of AWS or Google, a path elsewhere (BKT-021). */
function bucketUrl({ endpoint, bucket, insecure, region = "" }: S3Bucket): URL {
  const scheme = insecure ? "http" : "https";
  if (/^[^/?#@\\]*\/[^@]+$/.test(endpoint))
    throw new ObjectStoreError("", "Endpoint url cannot have fully qualified paths.");
  const url = URL.canParse(`${scheme}://${endpoint}`) ? new URL(`${scheme}://${endpoint}`) : undefined;
  if (url === undefined || /[/?#@\\\s]/.test(endpoint))
    throw new ObjectStoreError(
      "",
      `Endpoint: ${endpoint.replace(/.*@/s, "")} does not follow ip address or domain name standards.`,
    );
  url.hostname = regionalHost(url.hostname, region);
  const byHost = /(^|\.)(amazonaws\.com(\.cn)?|storage\.googleapis\.com|aliyuncs\.com)$/.test(url.hostname);
  const fits = /^[a-z0-9][a-z0-9-]*[a-z0-9]$/.test(bucket);
  if (byHost && fits) url.hostname = `${bucket}.${url.hostname}`;
  else url.pathname = `/${encodeURIComponent(bucket)}/`;
  return url;
}

/** The rules that minio-go has for names, of which some servers have longer ones than 63 characters. Throws in its words. */
function checkName(bucket: string): void {
  const invalid = (words: string) => new ObjectStoreError("", `Bucket name ${words}`);
  if (bucket.trim() === "") throw invalid("cannot be empty");
  if (bucket.length < 3) throw invalid("cannot be shorter than 3 characters");
  if (/^(\d+\.){3}\d+$/.test(bucket)) throw invalid("cannot be an ip address");
  if (/\.\.|\.-|-\./.test(bucket) || !/^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$/.test(bucket))
    throw invalid("contains invalid characters");
}

/** AWS answers for a bucket in its own region only: the global host, and that of another region, become the region's, as minio-go has it. */
function regionalHost(host: string, region: string): string {
  const [, stack = "", named = "", china = ""] =
    /^s3[.-]?(dualstack\.)?([a-z]{2}(?:-[a-z]+)+-\d)?\.amazonaws\.com(\.cn)?$/.exec(host) ?? [];
  const isKnown = host === "s3.amazonaws.com" || named !== "";
  if (!isKnown || region === named || !/^[a-z]{2}(-[a-z]+)+-\d$/.test(region)) return host;
  return `s3.${stack}${region}.amazonaws.com${china}`;
}

/** `s3.eu-west-1.amazonaws.com` and its like name their region. */
function regionOf(host: string): string | undefined {
  return /(?:^|\.)s3(?:-fips)?[.-](?:dualstack\.)?([a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com(?:\.cn)?$/.exec(host)?.[1];
}

function isRegionTrouble({ statusCode }: IncomingMessage): boolean {
  return statusCode === 301 || statusCode === 307 || statusCode === 400 || statusCode === 403;
}

/** As AWS wants it: what is not unreserved is escaped, also what URLSearchParams leaves (RFC 3986). */
function escaped(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function queryOf(fields: Record<string, string>): string {
  return Object.entries(fields)
    .map(([name, value]) => `${escaped(name)}=${escaped(value)}`)
    .join("&");
}

function listed(result: Element): ListedObject[] {
  const isEncoded = textOf(result.EncodingType) === "url";
  return elementsOf(result.Contents).map(({ Key, ETag, Size }) => {
    const key = textOf(Key);
    return {
      key: isEncoded ? decodeURIComponent(key.replaceAll("+", " ")) : key,
      etag: unquoted(textOf(ETag)),
      size: Number(textOf(Size)) || 0,
    };
  });
}

function unquoted(etag: string): string {
  return etag.replace(/^"|"$/g, "");
}

async function failureOf(answer: IncomingMessage): Promise<ObjectStoreError> {
  const text = await errorText(answer);
  const error = /<Error>/.test(text) ? elementOf((await parseXml(text)).Error) : {};
  const code = textOf(error.Code);
  const status = answer.statusCode ?? 0;
  return new ObjectStoreError(code, textOf(error.Message).slice(0, 500) || headWords(status));
}

/** An answer to HEAD has no words of its own. */
function headWords(status: number): string {
  if (status === 403) return "Access Denied.";
  return status === 400 ? "400 Bad Request" : `the object store answered ${status}`;
}
