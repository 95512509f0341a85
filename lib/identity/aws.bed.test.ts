import { describe, expect, it } from "vitest";
import { bedPart } from "../../test/bed/bed.ts";
import { awsCredentials } from "./aws.ts";
import { awsSigner, signedHeaders } from "./aws-signature.ts";
import { askCloud, formBody } from "./cloud-request.ts";

describe("awsCredentials on LocalStack", () => {
  it("KS-103: STS gives credentials for the token of an account, and they sign what STS believes", async () => {
    const { endpoint, region } = await bedPart("localstack");
    const role = "arn:aws:iam::000000000000:role/tenant";
    const options = { signal: AbortSignal.timeout(30_000), endpoints: { sts: endpoint } };
    const annotations = { "eks.amazonaws.com/role-arn": role };
    const account = { namespace: "team", name: "deployer", annotations };
    const claims = Buffer.from(JSON.stringify({ sub: "system:serviceaccount:team:deployer" })).toString("base64url");
    const requestToken = async () => `${Buffer.from('{"alg":"none"}').toString("base64url")}.${claims}.c2ln`;
    const credentials = await awsCredentials({ type: "serviceAccount", account, requestToken }, region, options);
    expect(credentials.expiresAt?.getTime()).toBeGreaterThan(Date.now() + 10 * 60_000);

    const url = `${endpoint}/`;
    const { headers = {}, body = "" } = formBody({ Action: "GetCallerIdentity", Version: "2011-06-15" });
    const signed = await signedHeaders(awsSigner("sts", region, credentials), { method: "POST", url, headers, body });
    const answer = await askCloud({ method: "POST", url, headers: signed, body }, options);
    expect(answer).toMatchObject({ status: 200, body: expect.stringContaining("assumed-role/tenant/deployer.team.") });
  });
});
