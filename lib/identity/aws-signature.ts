import { createHash, createHmac } from "node:crypto";
import { SignatureV4 } from "@smithy/signature-v4";
import type { AwsCredentials } from "../platform/ports.ts";

/**
 * A signer of requests to one service of AWS in one region (Signature Version 4). S3 alone signs paths as they are sent
 * (`uriEscapePath: false`).
 */
export function awsSigner(
  service: string,
  region: string,
  credentials: AwsCredentials,
  options: { uriEscapePath?: boolean } = {},
): SignatureV4 {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  return new SignatureV4({
    service,
    region,
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
    sha256: Sha256,
    ...options,
  });
}

/**
 * The headers, the signature among them, of a request to an API of AWS. `headers` are those besides `host`
 * that are signed with it. `path` is sent in the place of the URL's, where a URL would resolve what is in it.
 */
export async function signedHeaders(
  signer: SignatureV4,
  request: {
    method: "GET" | "HEAD" | "POST";
    url: string;
    path?: string;
    headers?: Readonly<Record<string, string>>;
    body?: string;
  },
): Promise<Record<string, string>> {
  const { protocol, hostname, host, port, pathname, searchParams } = new URL(request.url);
  const signed = await signer.sign({
    method: request.method,
    protocol,
    hostname,
    ...(port === "" ? {} : { port: Number(port) }),
    path: request.path ?? pathname,
    query: Object.fromEntries(searchParams),
    headers: { ...request.headers, host },
    ...(request.body === undefined ? {} : { body: request.body }),
  });
  return signed.headers;
}

/** SHA-256 in the shape that the signer asks for. */
class Sha256 {
  readonly #hash;
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash("sha256") : createHmac("sha256", bytesOf(secret));
  }
  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(bytesOf(data));
  }
  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }
  reset(): void {}
}

function bytesOf(data: string | ArrayBuffer | ArrayBufferView): Uint8Array {
  if (typeof data === "string") return Buffer.from(data);
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
}
