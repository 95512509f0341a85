import { describe, expect, it } from "vitest";
import { recordExpiry } from "../lib/platform/local/record-expiry.ts";
import { propertiesOf, readable, resourcesOf, templateOf } from "./template.ts";

const template = templateOf();

describe("the bucket (BS-048)", () => {
  const bucket = propertiesOf(template, "AWS::S3::Bucket", "Bucket");

  it("is encrypted, closed to the public, without versions, and lets go of what can be asked again, never of artifacts and their history", () => {
    expect(bucket).toEqual({
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: "AES256" } }],
      },
      LifecycleConfiguration: {
        Rules: [
          { Id: "abandoned-uploads", Status: "Enabled", AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 } },
          { Id: "held-webhooks", Status: "Enabled", Prefix: "artifacts/held-webhooks/", ExpirationInDays: 1 },
          { Id: "notified", Status: "Enabled", Prefix: "records/notified/", ExpirationInDays: 1 },
          { Id: "tokens", Status: "Enabled", Prefix: "records/tokens/", ExpirationInDays: 1 },
          { Id: "checks", Status: "Enabled", Prefix: "records/checks/", ExpirationInDays: 30 },
          { Id: "contents", Status: "Enabled", Prefix: "records/contents/", ExpirationInDays: 30 },
        ],
      },
      OwnershipControls: { Rules: [{ ObjectOwnership: "BucketOwnerEnforced" }] },
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
    });
  });

  it("lets go of the same records as the local host, after the same time", () => {
    const { Rules } = bucket.LifecycleConfiguration as { Rules: { Prefix?: string; ExpirationInDays?: number }[] };
    const records = Rules.filter(({ Prefix }) => Prefix?.startsWith("records/"));
    expect(records.map(({ Prefix, ExpirationInDays = 0 }) => [Prefix, ExpirationInDays * 86_400])).toEqual(
      recordExpiry.map(({ prefix, seconds }) => [`records/${prefix}`, seconds]),
    );
  });

  it("refuses plain HTTP and old TLS", () => {
    const policy = readable(propertiesOf(template, "AWS::S3::BucketPolicy", "BucketPolicy"));
    const denial = { Effect: "Deny", Action: "s3:*", Resource: ["Bucket.Arn", "Bucket.Arn/*"] };
    expect(policy).toMatchObject({
      PolicyDocument: {
        Statement: [
          { ...denial, Condition: { Bool: { "aws:SecureTransport": "false" } } },
          { ...denial, Condition: { NumericLessThan: { "s3:TlsVersion": 1.2 } } },
        ],
      },
    });
  });

  it("outlives the stack, whose removal would fail on its content", () => {
    expect(resourcesOf(template, "AWS::S3::Bucket").Bucket?.DeletionPolicy).toBe("Retain");
  });
});

describe("the admission seed", () => {
  it("is generated, below the deployment's own prefix, and told to the webhook by that prefix", () => {
    const seed = templateOf({ name: "team-a" });
    expect(propertiesOf(seed, "AWS::SecretsManager::Secret", "AdmissionSeed")).toMatchObject({
      Name: "team-a/admission-seed",
      GenerateSecretString: { PasswordLength: 64, ExcludePunctuation: true },
    });
    expect(propertiesOf(seed, "AWS::Lambda::Function", "Webhook").Environment).toMatchObject({
      Variables: { SLUICE_SECRET_PREFIX: "team-a/" },
    });
    expect(seed.Outputs).toMatchObject({ AdmissionSeedSecret: { Value: "team-a/admission-seed" } });
  });
});
