import { createHash, createHmac } from "node:crypto";
import { once } from "node:events";
import { Agent, createServer, request as forward, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { BedAws } from "../parts.ts";

/** S3 of LocalStack behind a server that asks for signatures, as S3 does and LocalStack does not. */
export type S3Front = {
  /** `127.0.0.1:<port>` */
  endpoint: string;
  /** `<method> <path>` of each request, in order. */
  requests: string[];
  /** Looks at a request before it is passed on; true where it has answered, or will. */
  intercept: (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;
  stop(): Promise<void>;
};

/**
 * `keys` are secret keys by access keys: other requests are refused, but without keys everybody's are passed on. `tls` asks for
 * certificates of the authority `ca` where there is one.
 */
export type S3FrontOptions = {
  keys?: Record<string, string>;
  tls?: { cert: string; key: string; ca?: string };
};

/** Starts it on the loopback interface. Paths are passed on as they come. */
export async function startS3Front(
  aws: Pick<BedAws, "endpoint">,
  { keys, tls }: S3FrontOptions = {},
): Promise<S3Front> {
  const agent = new Agent({ keepAlive: true });
  const { hostname, port: target, host } = new URL(aws.endpoint);
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    front.requests.push(`${request.method} ${request.url}`);
    if (await front.intercept(request, response)) return;
    if (keys !== undefined && !isSigned(request, keys)) {
      const words = "The request signature we calculated does not match the signature you provided.";
      const body = `<?xml version="1.0"?><Error><Code>SignatureDoesNotMatch</Code><Message>${words}</Message></Error>`;
      response.writeHead(403, { "content-type": "application/xml" }).end(request.method === "HEAD" ? "" : body);
      return;
    }
    const asking = forward({
      agent,
      hostname,
      port: target,
      method: request.method,
      path: request.url,
      headers: { ...request.headers, host },
    });
    asking.once("response", (answered) => {
      response.writeHead(answered.statusCode ?? 502, answered.headers);
      answered.pipe(response);
    });
    asking.once("error", (error) => response.writeHead(502).end(error.message));
    request.pipe(asking);
  };
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    answer(request, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  };
  const mutual = tls?.ca === undefined ? {} : { requestCert: true, rejectUnauthorized: true };
  const server = tls === undefined ? createServer(listener) : createTlsServer({ ...tls, ...mutual }, listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  const front: S3Front = {
    endpoint: `127.0.0.1:${port}`,
    requests: [],
    intercept: () => false,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      agent.destroy();
      await once(server, "close");
    },
  };
  return front;
}

/** Signature Version 4 as its documentation computes it ("Authenticating Requests: Using the Authorization Header"), from the bytes that came. */
function isSigned({ method = "", url = "", headers }: IncomingMessage, keys: Record<string, string>): boolean {
  const pattern =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=(\w+)$/;
  const [, key = "", day = "", region = "", names = "", signature] = pattern.exec(headers.authorization ?? "") ?? [];
  const secret = keys[key];
  if (secret === undefined) return false;
  const [path = "", query = ""] = url.split("?");
  const canonical = [
    method,
    path,
    query.split("&").sort().join("&"),
    ...names.split(";").map((name) => `${name}:${String(headers[name] ?? "").trim()}`),
    "",
    names,
    headers["x-amz-content-sha256"],
  ].join("\n");
  const scope = `${day}/${region}/s3/aws4_request`;
  const text = `AWS4-HMAC-SHA256\n${headers["x-amz-date"]}\n${scope}\n${createHash("sha256").update(canonical).digest("hex")}`;
  const hmac = (secretOf: string | Buffer, value: string) => createHmac("sha256", secretOf).update(value).digest();
  const signing = hmac(hmac(hmac(hmac(`AWS4${secret}`, day), region), "s3"), "aws4_request");
  return hmac(signing, text).toString("hex") === signature;
}
