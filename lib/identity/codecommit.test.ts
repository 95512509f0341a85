import { describe, expect, it } from "vitest";
import { codeCommitCredentials, codeCommitRegion } from "./codecommit.ts";
import { IdentityError } from "./identity.ts";

const now = new Date("2026-01-02T03:04:05.678Z");
const credentials = {
  accessKeyId: "AKIDEXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
  sessionToken: "session/token==",
};

describe("CodeCommit", () => {
  it.each([
    ["https://git-codecommit.eu-central-1.amazonaws.com/v1/repos/app", "eu-central-1"],
    ["https://git-codecommit-fips.us-gov-west-1.amazonaws.com/v1/repos/app", "us-gov-west-1"],
    ["https://git-codecommit.cn-north-1.amazonaws.com.cn/v1/repos/app", "cn-north-1"],
    ["https://joe@git-codecommit.eu-central-1.amazonaws.com:8443/v1/repos/app", "eu-central-1"],
  ])("GIT-067: %s is in %s", (url, region) => {
    expect(codeCommitRegion(new URL(url))).toBe(region);
  });

  it.each([
    [
      "http://git-codecommit.eu-central-1.amazonaws.com/v1/repos/app",
      "AWS CodeCommit authentication requires an HTTPS Git URL",
    ],
    [
      "ssh://git-codecommit.eu-central-1.amazonaws.com/v1/repos/app",
      "AWS CodeCommit authentication requires an HTTPS Git URL",
    ],
    [
      "https://codecommit.eu-central-1.amazonaws.com/x",
      "invalid AWS CodeCommit Git URL: codecommit.eu-central-1.amazonaws.com",
    ],
    ["https://git-codecommit.amazonaws.com/x", "invalid AWS CodeCommit Git URL: git-codecommit.amazonaws.com"],
    [
      "https://git-codecommit.eu-central-1.amazonaws.com.evil.test/x",
      "invalid AWS CodeCommit Git URL: git-codecommit.eu-central-1.amazonaws.com.evil.test",
    ],
    ["https://evil.test:8443/git-codecommit.x.amazonaws.com", "invalid AWS CodeCommit Git URL: evil.test:8443"],
  ])("GIT-067: %s is none", (url, words) => {
    expect(() => codeCommitRegion(new URL(url))).toThrow(new IdentityError(words));
  });

  // Signatures by the signer that Flux uses (smithy-go, aws-http-auth 1.1.3), of the same time, keys and URL.
  it.each([
    [
      "https://git-codecommit.eu-central-1.amazonaws.com/v1/repos/app",
      "4b808ca26ae06ed51a94c99a42825e31d7cb4e7f91cf3d7935bc522aef0e1c46",
    ],
    [
      "https://git-codecommit.cn-north-1.amazonaws.com.cn/v1/repos/x-y_z.1",
      "5f8b66939f90e47a067b0f3347dd729694c376cc6c327664636c522998b06083",
    ],
    [
      "https://joe@git-codecommit.eu-central-1.amazonaws.com/v1/repos/app",
      "4b808ca26ae06ed51a94c99a42825e31d7cb4e7f91cf3d7935bc522aef0e1c46",
    ],
  ])("GIT-068: signs for %s", (url, signature) => {
    expect(codeCommitCredentials(new URL(url), credentials, now)).toEqual({
      username: "AKIDEXAMPLE%session/token==",
      password: `20260102T030405Z${signature}`,
      expiresAt: new Date("2026-01-02T03:19:05.678Z"),
    });
  });

  it("GIT-068: ends with the credentials, where these end before", () => {
    const url = new URL("https://git-codecommit.eu-central-1.amazonaws.com/v1/repos/app");
    const soon = new Date(now.getTime() + 1000);
    expect(codeCommitCredentials(url, { ...credentials, expiresAt: soon }, now).expiresAt).toEqual(soon);
    const late = new Date(now.getTime() + 3_600_000);
    const longer = codeCommitCredentials(url, { ...credentials, expiresAt: late }, now);
    expect(longer.expiresAt).toEqual(new Date("2026-01-02T03:19:05.678Z"));
  });
});
