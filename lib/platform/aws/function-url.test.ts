import { describe, expect, it } from "vitest";
import { answerOf, type FunctionUrlEvent, requestOf } from "./function-url.ts";

const event = (more: Partial<FunctionUrlEvent> & { method?: string }): FunctionUrlEvent => ({
  rawPath: "/hook/abc",
  rawQueryString: "",
  headers: {},
  isBase64Encoded: false,
  requestContext: { domainName: "id.lambda-url.eu-west-1.on.aws", http: { method: more.method ?? "POST" } },
  ...more,
});

const bytesOf = async (request: Request) => Buffer.from(await request.arrayBuffer());

describe("requestOf", () => {
  it("SV-010: gives the raw bytes, whichever way they were carried", async () => {
    const bytes = Buffer.from([0, 255, 10, 13, 195, 40]);
    const binary = requestOf(event({ body: bytes.toString("base64"), isBase64Encoded: true }));
    expect(await bytesOf(binary)).toEqual(bytes);
    expect((await bytesOf(requestOf(event({ body: '{"a":"ä"}' })))).toString()).toBe('{"a":"ä"}');
  });

  it("keeps path and query as they came, and answers to the name that was called", () => {
    const request = requestOf(event({ rawPath: "/home/hook/a%2fb", rawQueryString: "x=1&x=2", method: "GET" }));
    expect(request.url).toBe("https://id.lambda-url.eu-west-1.on.aws/home/hook/a%2fb?x=1&x=2");
    expect(request.method).toBe("GET");
  });

  it("takes an event without a body, whatever its method", async () => {
    for (const method of ["GET", "HEAD", "POST"]) expect(await bytesOf(requestOf(event({ method })))).toHaveLength(0);
  });

  it("hands on headers", () => {
    const request = requestOf(event({ headers: { "content-type": "application/json", "x-gone": undefined } }));
    expect([...request.headers]).toEqual([["content-type", "application/json"]]);
  });
});

it("answerOf: carries status, headers and any bytes", async () => {
  const answer = await answerOf(
    new Response(Buffer.from([0, 255]), { status: 302, headers: { location: "https://s3" } }),
  );
  expect(answer).toEqual({ statusCode: 302, headers: { location: "https://s3" }, body: "AP8=", isBase64Encoded: true });
});
