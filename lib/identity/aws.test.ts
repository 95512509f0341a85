import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type FakeCloud, startFakeCloud } from "../../test/bed/cloud.ts";
import { awsCredentials, awsEndpoint } from "./aws.ts";
import type { CloudIdentity, CloudOptions } from "./identity.ts";

let cloud: FakeCloud;
let options: CloudOptions;
beforeAll(async () => {
  cloud = await startFakeCloud();
  const { certificateAuthority, url: sts } = cloud;
  options = { signal: AbortSignal.timeout(60_000), certificateAuthority, endpoints: { sts } };
});
beforeEach(() => {
  cloud.calls.length = 0;
});
afterAll(() => cloud?.close());

const asked: string[][] = [];
const account = (annotations: Record<string, string>, name = "deployer"): CloudIdentity => ({
  type: "serviceAccount",
  account: { namespace: "team", name, annotations },
  requestToken: async (audiences) => {
    asked.push([...audiences]);
    return "the.account.token";
  },
});
const role = "arn:aws:iam::111122223333:role/deployer";

describe("awsCredentials", () => {
  it("KS-103: takes the role of the annotation with a token for STS, in the region", async () => {
    cloud.answers.set("POST /", () => ({
      body: {
        AssumeRoleWithWebIdentityResponse: {
          AssumeRoleWithWebIdentityResult: {
            Credentials: {
              AccessKeyId: "ASIA",
              SecretAccessKey: "secret",
              SessionToken: "session",
              Expiration: 1_893_456_000,
            },
          },
        },
      },
    }));
    const identity = account({ "eks.amazonaws.com/role-arn": role });
    expect(await awsCredentials(identity, "eu-central-1", options)).toEqual({
      accessKeyId: "ASIA",
      secretAccessKey: "secret",
      sessionToken: "session",
      expiresAt: new Date("2030-01-01T00:00:00Z"),
    });
    expect(asked.at(-1)).toEqual(["sts.amazonaws.com"]);
    const [call] = cloud.calls;
    expect(call?.headers).toMatchObject({
      accept: "application/json",
      "content-type": "application/x-www-form-urlencoded",
    });
    expect(call?.headers.authorization).toBeUndefined();
    expect(Object.fromEntries(new URLSearchParams(call?.body))).toEqual({
      Action: "AssumeRoleWithWebIdentity",
      Version: "2011-06-15",
      RoleArn: role,
      RoleSessionName: "deployer.team.eu-central-1.fluxcd.io",
      WebIdentityToken: "the.account.token",
    });
    // STS takes 64 characters.
    await awsCredentials(account({ "eks.amazonaws.com/role-arn": role }, "n".repeat(63)), "eu-central-1", options);
    const session = new URLSearchParams(cloud.calls[1]?.body).get("RoleSessionName") ?? "";
    expect(session).toHaveLength(64);
    expect(session).toMatch(/^n+\.team\.eu-central-1\.fluxcd\.io$/);
  });

  it("KS-103: says what STS says, without the token", async () => {
    cloud.answers.set("POST /", () => ({
      status: 403,
      body: { Error: { Code: "AccessDenied", Message: "Not authorized to perform sts:AssumeRoleWithWebIdentity" } },
    }));
    await expect(
      awsCredentials(account({ "eks.amazonaws.com/role-arn": role }), "eu-central-1", options),
    ).rejects.toThrow(
      `STS refused AssumeRoleWithWebIdentity for ${role}: AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity`,
    );
  });

  it("KS-103: refuses an account without a role, and a region that is none, before anything is sent", async () => {
    await expect(awsCredentials(account({}), "eu-central-1", options)).rejects.toThrow(
      String.raw`invalid eks.amazonaws.com/role-arn annotation: ''. must match ^arn:aws[\w-]*:iam::[0-9]{1,30}:role/.{1,200}$`,
    );
    const identity = account({ "eks.amazonaws.com/role-arn": role });
    await expect(awsCredentials(identity, "", options)).rejects.toThrow("an AWS region is required");
    const elsewhere = { signal: options.signal };
    await expect(awsCredentials(identity, "x.example.com/", elsewhere)).rejects.toThrow("is not an AWS region");
    expect(cloud.calls).toEqual([]);
  });

  it("SN-19: without an account gives what the deployment runs as, and says so where it has nothing", async () => {
    const own = { accessKeyId: "AKIA", secretAccessKey: "secret" };
    expect(await awsCredentials({ type: "own", ownAws: async () => own }, "eu-central-1", options)).toBe(own);
    await expect(awsCredentials({ type: "own" }, "eu-central-1", options)).rejects.toThrow(
      "has no AWS credentials of its own",
    );
  });
});

describe("awsEndpoint", () => {
  it("KS-103: knows the suffix of each partition", () => {
    expect(awsEndpoint("sts", "eu-central-1")).toBe("https://sts.eu-central-1.amazonaws.com");
    expect(awsEndpoint("sts", "us-gov-west-1")).toBe("https://sts.us-gov-west-1.amazonaws.com");
    expect(awsEndpoint("eks", "cn-north-1")).toBe("https://eks.cn-north-1.amazonaws.com.cn");
    expect(awsEndpoint("sts", "eusc-de-east-1")).toBe("https://sts.eusc-de-east-1.amazonaws.eu");
  });
});
