import { describe, expect, it } from "vitest";
import type { Exchange, ServiceRequest } from "../../platform/exchange.ts";
import type { AwsKmsKey } from "../keys.ts";
import { awsKms, parseAwsEntry, regionOf } from "./aws-kms.ts";

const arn = (region: string) => `arn:aws:kms:${region}:000000000000:key/1`;

describe("the region of a key", () => {
  it.each(["eu-central-1", "us-gov-west-1", "cn-northwest-1", "ap-southeast-7", "eusc-de-east-1", "us-isob-east-1"])(
    "KS-100: is the one in its ARN: %s",
    (region) => {
      expect(regionOf(arn(region))).toBe(region);
      expect(regionOf(`arn:aws-cn:kms:${region}:000000000000:alias/sops`)).toBe(region);
    },
  );

  it.each([
    "evil.example/",
    "evil.example#-1",
    "eu-central-1.evil.example",
    "us-east-1:443",
    "@evil",
    "EU-CENTRAL-1",
    "eu-central",
    "..",
    "us-east-1\n",
  ])("KS-100: a file that names %j as one is asked nowhere", async (region) => {
    const asked: ServiceRequest[] = [];
    const exchange: Exchange = async (request) => {
      asked.push(request);
      return { status: 200, headers: {}, body: "{}" };
    };
    const credentials = async () => ({ accessKeyId: "a", secretAccessKey: "b" });
    const key: AwsKmsKey = { kind: "kms", arn: arn(region), role: "", context: new Map(), awsProfile: "", enc: "eA==" };
    await expect(awsKms({ exchange, credentials, session: "a.b" })(key)).rejects.toThrow("no valid ARN found in");
    expect(asked).toEqual([]);
  });

  it("KS-100: leads to the host of its partition", async () => {
    const hosts: string[] = [];
    const exchange: Exchange = async ({ url }) => {
      hosts.push(url.host);
      return { status: 400, headers: {}, body: '{"__type":"com.amazonaws.kms#NotFoundException","message":"none"}' };
    };
    const credentials = async () => ({ accessKeyId: "a", secretAccessKey: "b" });
    const decrypt = awsKms({ exchange, credentials, session: "a.b" });
    for (const region of ["eu-central-1", "cn-north-1", "us-iso-east-1"])
      await expect(
        decrypt({ kind: "kms", arn: arn(region), role: "", context: new Map(), awsProfile: "", enc: "eA==" }),
      ).rejects.toThrow("failed to decrypt sops data key with AWS KMS: NotFoundException: none");
    expect(hosts).toEqual([
      "kms.eu-central-1.amazonaws.com",
      "kms.cn-north-1.amazonaws.com.cn",
      "kms.us-iso-east-1.c2s.ic.gov",
    ]);
  });
});

describe("sops.aws-kms", () => {
  it("KS-096: names credentials, which may end with a session", async () => {
    const given = "aws_access_key_id: AKIA\naws_secret_access_key: word\n";
    expect(await parseAwsEntry(given)()).toEqual({ accessKeyId: "AKIA", secretAccessKey: "word" });
    expect(await parseAwsEntry(`${given}aws_session_token: session\n`)()).toMatchObject({ sessionToken: "session" });
  });

  it.each(["aws_secret_access_key: [hush-hush", "hush-hush", "- hush-hush"])(
    "KS-098: is refused where it is none, without a word of it (%#)",
    (text) => {
      expect(() => parseAwsEntry(text)).toThrow("failed to unmarshal AWS credentials file: it is no YAML");
      expect(() => parseAwsEntry(text)).not.toThrow("hush-hush");
    },
  );

  it("KS-096: says what is missing when it is needed", async () => {
    await expect(parseAwsEntry("aws_secret_access_key: hush-hush")()).rejects.toThrow("static credentials are empty");
  });
});
