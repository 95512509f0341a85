import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  type BucketClouds,
  canary,
  failureOf,
  openBucketClouds,
  secretData,
  selected,
} from "../../../test/bed/bucket-clouds.ts";
import type { CloudRequestSeen } from "../../../test/bed/cloud-service.ts";
import type { BucketSpec } from "../../api/bucket.ts";
import { SourceFailure } from "../source/source-failure.ts";
import { openS3 } from "./s3-access.ts";

const sts = "sts.eu-central-1.amazonaws.com";
const hosts = [sts, "bucket.s3.us-east-1.amazonaws.com", "bucket.s3.eu-central-1.amazonaws.com", "minio.test"];

let bed: BucketClouds;
beforeAll(async () => {
  bed = await openBucketClouds(hosts);
  await bed.account("deployer", { "eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/deployer" });
});
beforeEach(() => {
  bed.seen.length = 0;
  bed.answers = {};
});
afterAll(() => bed?.close());

describe("S3", () => {
  const s3 = { provider: "aws", endpoint: "s3.amazonaws.com" } as const;
  const spec = (more: Partial<BucketSpec>) => ({ ...s3, ...more });
  const missing = { status: 404, text: "<Error><Code>NoSuchKey</Code></Error>" };
  const lists = ({ method, path }: CloudRequestSeen) =>
    method === "HEAD" ? { text: "" } : path.includes("list-type") ? { text: "<ListBucketResult/>" } : missing;
  const regional = "bucket.s3.eu-central-1.amazonaws.com";

  it("BKT-021, BKT-022, BKT-025, SEC-008: a role by STS where it is said to be, the region's own host, and the deployment's role", async () => {
    const given = { AccessKeyId: "ASIA", SecretAccessKey: canary, SessionToken: "session", Expiration: 4e9 };
    const result = { AssumeRoleWithWebIdentityResponse: { AssumeRoleWithWebIdentityResult: { Credentials: given } } };
    bed.answers = { [sts]: () => ({ json: result }), [regional]: lists };
    const endpoint = `https://${sts}`;
    const role = {
      region: "eu-central-1",
      serviceAccountName: "deployer",
      sts: { provider: "aws", endpoint },
    } as const;
    await selected(await bed.access(openS3, spec(role)));
    expect(bed.asked()[0]).toBe(`POST ${sts}/`);
    expect(bed.seen[1]?.host).toBe(regional);
    expect(bed.seen[1]?.headers).toMatchObject({
      "x-amz-security-token": "session",
      authorization: expect.stringMatching(/Credential=ASIA\/\d+\/eu-central-1\/s3\//),
    });
    bed.seen.length = 0;
    for (const elsewhere of [
      ...["https://evil.test", "https://evil.test/x.sts.amazonaws.com", "https://evil.test?x.sts.amazonaws.com"],
      ...["https://evil.test#sts.amazonaws.com", "https://sts.amazonaws.com@evil.test/.sts.amazonaws.com"],
      ...["https://minio.test\\.sts.amazonaws.com", "https://user@sts.amazonaws.com"],
    ]) {
      const evil = await failureOf(
        bed.access(openS3, spec({ ...role, sts: { provider: "aws", endpoint: elsewhere } })),
      );
      expect(evil.message).toContain("AWS authentication failed: invalid STS endpoint: 'https://");
    }
    expect(bed.seen).toEqual([]);
    const own = { awsCredentials: async () => ({ accessKeyId: "OWN", secretAccessKey: canary }) };
    bed.seen.length = 0;
    await selected(await bed.access(openS3, spec({ region: "eu-central-1" }), {}, own));
    expect(bed.seen[0]?.headers.authorization).toContain("Credential=OWN/");
  });

  it("BKT-022: a bucket in another region is asked for there", async () => {
    const elsewhere = { status: 301, headers: { "x-amz-bucket-region": "eu-central-1" }, text: "" };
    bed.answers = { "bucket.s3.us-east-1.amazonaws.com": () => elsewhere, [regional]: lists };
    const own = secretData({ accesskey: "AKID", secretkey: canary });
    await selected(await bed.access(openS3, spec({}), { own }));
    expect(bed.asked().map((line) => line.split("/")[0])).toEqual([
      "HEAD bucket.s3.us-east-1.amazonaws.com",
      ...[`HEAD ${regional}`, `GET ${regional}`, `GET ${regional}`],
    ]);
    expect(bed.seen.at(-1)?.headers.authorization).toContain("/eu-central-1/s3/");
  });

  it("BKT-023, BKT-026, SEC-006: keys for a user of a directory, by the proxy", async () => {
    const credentials = `<AccessKeyId>TEMP</AccessKeyId><SecretAccessKey>${canary}</SecretAccessKey><SessionToken>session</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>`;
    const answer = `<?xml version="1.0"?><AssumeRoleWithLDAPIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithLDAPIdentityResult><Credentials>${credentials}</Credentials></AssumeRoleWithLDAPIdentityResult></AssumeRoleWithLDAPIdentityResponse>`;
    bed.answers = { "minio.test": (request) => (request.method === "POST" ? { text: answer } : lists(request)) };
    const directory = { provider: "generic", endpoint: "minio.test" } as const;
    const ldap = {
      ...directory,
      sts: { provider: "ldap", endpoint: "https://minio.test", secretRef: { name: "user" } },
    } as const;
    const user = secretData({ username: "ada", password: `${canary}&x` });
    await selected(await bed.access(openS3, spec(ldap), { sts: user }));
    expect(bed.seen[0]?.path).toBe("/");
    expect(Object.fromEntries(new URLSearchParams(bed.seen[0]?.body))).toEqual({
      Action: "AssumeRoleWithLDAPIdentity",
      Version: "2011-06-15",
      LDAPUsername: "ada",
      LDAPPassword: `${canary}&x`,
    });
    expect(
      bed
        .asked()
        .slice(1)
        .map((line) => line.replace(/\?.*/, "")),
    ).toEqual([...["HEAD minio.test/bucket/", "GET minio.test/bucket/.sourceignore", "GET minio.test/bucket/"]]);
    expect(bed.seen[1]?.headers["x-amz-security-token"]).toBe("session");
    const denied =
      "<ErrorResponse><Error><Code>AccessDenied</Code><Message>LDAP server error</Message></Error></ErrorResponse>";
    bed.answers = { "minio.test": () => ({ status: 403, text: denied }) };
    const refused = await failureOf(bed.access(openS3, spec(ldap), { sts: user }).then(selected));
    expect(refused.message).toBe("failed to confirm existence of 'bucket' bucket: LDAP server error");
  });

  it("BKT-024: a pairing that admission did not see stalls", async () => {
    const https = "https://sts.test";
    const wrong: [provider: "aws" | "generic", sts: BucketSpec["sts"], reason: string, words: string][] = [
      [
        "aws",
        { provider: "ldap", endpoint: https },
        "InvalidSTSConfiguration",
        "STS provider 'ldap' is not supported for 'aws' bucket provider",
      ],
      [
        "generic",
        { provider: "aws", endpoint: https },
        "InvalidSTSConfiguration",
        "STS provider 'aws' is not supported for 'generic' bucket provider",
      ],
      [
        "aws",
        { provider: "aws", endpoint: https, secretRef: { name: "x" } },
        "InvalidSTSConfiguration",
        "spec.sts.secretRef is not required for the 'aws' STS provider",
      ],
      [
        "aws",
        { provider: "aws", endpoint: https, certSecretRef: { name: "x" } },
        "InvalidSTSConfiguration",
        "spec.sts.certSecretRef is not required for the 'aws' STS provider",
      ],
      [
        "generic",
        { provider: "ldap", endpoint: `https://u:${canary}@[x` },
        "URLInvalid",
        "failed to parse STS endpoint",
      ],
    ];
    for (const [provider, sts, reason, words] of wrong) {
      const error = await failureOf(bed.access(openS3, spec({ provider, ...(sts === undefined ? {} : { sts }) })));
      expect(error).toBeInstanceOf(SourceFailure);
      expect(error).toMatchObject({
        reason,
        terminal: true,
        condition: "FetchFailed",
        message: expect.stringContaining(words),
      });
    }
  });
});
