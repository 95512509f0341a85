/** The part of a Lambda function URL's event (payload format 2.0) that a request is made of. */
export type FunctionUrlEvent = {
  rawPath: string;
  rawQueryString: string;
  headers: Record<string, string | undefined>;
  body?: string | undefined;
  isBase64Encoded: boolean;
  requestContext: { domainName: string; http: { method: string } };
};

/** What a function URL answers with. Bodies are always in Base64: whatever bytes they are, they arrive as they are. */
export type FunctionUrlAnswer = {
  statusCode: number;
  headers: Record<string, string>;
  body: string;
  isBase64Encoded: true;
};

/** The request behind an event, its body as raw bytes (SV-010) and its host the one that was called. */
export function requestOf(event: FunctionUrlEvent): Request {
  const { requestContext, rawPath, rawQueryString, headers, body, isBase64Encoded } = event;
  const query = rawQueryString === "" ? "" : `?${rawQueryString}`;
  const { method } = requestContext.http;
  const bytes = Buffer.from(body ?? "", isBase64Encoded ? "base64" : "utf8");
  return new Request(`https://${requestContext.domainName}${rawPath}${query}`, {
    method,
    headers: Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined),
    ...(method === "GET" || method === "HEAD" ? {} : { body: bytes }),
  });
}

/** The answer to an event. */
export async function answerOf(response: Response): Promise<FunctionUrlAnswer> {
  return {
    statusCode: response.status,
    headers: Object.fromEntries(response.headers),
    body: Buffer.from(await response.arrayBuffer()).toString("base64"),
    isBase64Encoded: true,
  };
}
