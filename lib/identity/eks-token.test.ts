import { createHash, createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import { eksToken } from "./eks-token.ts";

const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" };
const now = new Date("2026-01-02T03:04:05Z");

const urlOf = (token: string) => new URL(Buffer.from(token.replace("k8s-aws-v1.", ""), "base64url").toString("utf8"));

describe("eksToken", () => {
  it("KS-214: is a presigned GetCallerIdentity that names the cluster in a signed header", async () => {
    const token = await eksToken("prod", "eu-central-1", credentials, now);
    expect(token).toMatch(/^k8s-aws-v1\.[A-Za-z0-9_-]+$/);
    const url = urlOf(token);
    expect(url.host).toBe("sts.eu-central-1.amazonaws.com");
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      Action: "GetCallerIdentity",
      Version: "2011-06-15",
      "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
      "X-Amz-Credential": "AKIDEXAMPLE/20260102/eu-central-1/sts/aws4_request",
      "X-Amz-Date": "20260102T030405Z",
      "X-Amz-Expires": "60",
      "X-Amz-SignedHeaders": "host;x-k8s-aws-id",
    });
    expect(url.searchParams.get("X-Amz-Signature")).toMatch(/^[0-9a-f]{64}$/);
  });

  it("KS-214: is signed as AWS documents it (Signature Version 4, query string)", async () => {
    const { searchParams } = urlOf(await eksToken("prod", "eu-central-1", credentials, now));
    const signature = searchParams.get("X-Amz-Signature");
    searchParams.delete("X-Amz-Signature");
    const query = [...searchParams]
      .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
      .sort()
      .join("&");
    const nothing = createHash("sha256").digest("hex");
    const headers = ["host:sts.eu-central-1.amazonaws.com", "x-k8s-aws-id:prod", ""];
    const request = ["GET", "/", query, ...headers, "host;x-k8s-aws-id", nothing].join("\n");
    const scope = ["20260102", "eu-central-1", "sts", "aws4_request"];
    const digest = createHash("sha256").update(request).digest("hex");
    const text = ["AWS4-HMAC-SHA256", "20260102T030405Z", scope.join("/"), digest].join("\n");
    const secret: string | Buffer = `AWS4${credentials.secretAccessKey}`;
    const key = scope.reduce<string | Buffer>((by, part) => createHmac("sha256", by).update(part).digest(), secret);
    expect(signature).toBe(createHmac("sha256", key).update(text).digest("hex"));
  });

  it("KS-214: another cluster, and a session, are signed otherwise", async () => {
    const signature = async (cluster: string, more = {}) =>
      urlOf(await eksToken(cluster, "eu-central-1", { ...credentials, ...more }, now)).searchParams;
    const first = await signature("prod");
    expect((await signature("test")).get("X-Amz-Signature")).not.toBe(first.get("X-Amz-Signature"));
    expect((await signature("prod", { sessionToken: "s+/=" })).get("X-Amz-Security-Token")).toBe("s+/=");
  });
});
