import { Duration, RemovalPolicy, type Stack, Validations } from "aws-cdk-lib";
import { BlockPublicAccess, Bucket, BucketEncryption, ObjectOwnership } from "aws-cdk-lib/aws-s3";
import { Secret } from "aws-cdk-lib/aws-secretsmanager";

/**
 * The bucket of artifacts and records.
 *
 * Encrypted by S3's own keys, not by a KMS key: nothing in it is decrypted secret material (design, "State"), and a KMS
 * key would add a call to every read and write of every pass. Not versioned: all of it can be made anew from Git and
 * the cluster, and what a user deletes is then gone. Artifacts never expire by age, since that of a repository which has not
 * changed for a year is still in use: the functions collect their own garbage (ART-015). What means nothing after an hour
 * goes after a day: webhooks that waited for a cluster, whom an event has reached, and tokens, none of which lives longer. What
 * servers said, and where content lies that sources share, goes after a month: without it the next look costs a fetch.
 */
export function createBucket(stack: Stack): Bucket {
  const bucket = new Bucket(stack, "Bucket", {
    encryption: BucketEncryption.S3_MANAGED,
    enforceSSL: true,
    minimumTLSVersion: 1.2,
    blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
    objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
    versioned: false,
    lifecycleRules: [
      { id: "abandoned-uploads", abortIncompleteMultipartUploadAfter: Duration.days(1) },
      { id: "held-webhooks", prefix: "artifacts/held-webhooks/", expiration: Duration.days(1) },
      { id: "notified", prefix: "records/notified/", expiration: Duration.days(1) },
      { id: "tokens", prefix: "records/tokens/", expiration: Duration.days(1) },
      { id: "checks", prefix: "records/checks/", expiration: Duration.days(30) },
      { id: "contents", prefix: "records/contents/", expiration: Duration.days(30) },
    ],
    // A stack that is removed must not fail on a bucket that is not empty: docs/deploy-aws.md removes it by one command.
    removalPolicy: RemovalPolicy.RETAIN,
  });
  Validations.of(bucket).acknowledge({
    id: "AwsSolutions-S1",
    reason:
      "Readers are this stack's functions and their links of a few minutes; who asks for a link is in the webhook's log. Server access logs would cost a second bucket and a write for each artifact.",
  });
  return bucket;
}

/**
 * The secret that every cluster's admission token is derived from (design, decision 5). Made here, so that nobody has to
 * invent one; `sluice install --admission-seed` reads it from a file.
 */
export function createAdmissionSeed(stack: Stack, secretPrefix: string): Secret {
  const seed = new Secret(stack, "AdmissionSeed", {
    secretName: `${secretPrefix}admission-seed`,
    description: "Seed of the tokens by which API servers call Sluice's admission webhook",
    generateSecretString: { passwordLength: 64, excludePunctuation: true },
    removalPolicy: RemovalPolicy.DESTROY,
  });
  Validations.of(seed).acknowledge({
    id: "AwsSolutions-SMG4",
    reason:
      "Each cluster's webhook registration holds a token derived from the seed: a rotation that does not install into every cluster anew would only silence them. docs/deploy-aws.md tells how to rotate.",
  });
  return seed;
}
