import { describe, expect, it } from "vitest";
import { gitOptions, hasGitHubApp, readGitHubApp } from "./secret-options.ts";

const dataOf = (entries: Record<string, string>) =>
  new Map(Object.entries(entries).map(([key, value]) => [key, Buffer.from(value)]));
const https = "https://git.test/app.git";
const ssh = "ssh://git@git.test/app.git";

describe("what a Secret says of how a repository is reached", () => {
  it.each<[string, string, Record<string, string>, string]>([
    ["GIT-050", https, { password: "x" }, "invalid 'https' auth option: 'password' requires 'username' to be set"],
    [
      "GIT-050",
      "http://git.test/x",
      { password: "x" },
      "invalid 'http' auth option: 'password' requires 'username' to be set",
    ],
    [
      "GIT-050",
      https,
      { username: "", password: "x" },
      "invalid 'https' auth option: 'password' requires 'username' to be set",
    ],
    ["GIT-052", "https://:x@git.test/app", {}, "invalid 'https' auth option: 'password' requires 'username' to be set"],
    ["GIT-056", ssh, {}, "invalid 'ssh' auth option: 'identity' is required"],
    ["GIT-056", ssh, { known_hosts: "x" }, "invalid 'ssh' auth option: 'identity' is required"],
    ["GIT-056", ssh, { identity: "", known_hosts: "x" }, "invalid 'ssh' auth option: 'identity' is required"],
    ["GIT-056", ssh, { identity: "x" }, "invalid 'ssh' auth option: 'known_hosts' is required"],
    ["GIT-056", ssh, { username: "a", password: "b" }, "invalid 'ssh' auth option: 'identity' is required"],
    ["SEC-001", https, { "tls.crt": "x" }, "'tls.crt' and 'tls.key' must both be set, or neither"],
    ["SEC-001", https, { "tls.key": "x" }, "'tls.crt' and 'tls.key' must both be set, or neither"],
  ])("GIT-050, GIT-052, GIT-056, SEC-001: refused by %s: %s with %j", (_row, url, data, words) => {
    expect(() => gitOptions(new URL(url), dataOf(data))).toThrow(new Error(words));
  });

  it.each<[string, string, Record<string, string>, Record<string, unknown>]>([
    ["GIT-050", https, { username: "a", password: "b" }, { username: "a", password: "b" }],
    ["GIT-050", https, { username: "a" }, { username: "a", password: "" }],
    [
      "GIT-051",
      https,
      { username: "a", password: "b", bearerToken: "t" },
      { username: "", password: "", bearerToken: "t" },
    ],
    ["GIT-052", "https://u:p@git.test/x", {}, { username: "u", password: "p" }],
    ["GIT-052", "https://u:p@git.test/x", { username: "a" }, { username: "a", password: "p" }],
    ["GIT-053", https, {}, { username: "", password: "", bearerToken: "" }],
    ["GIT-055", https, { "ca.crt": "A", caFile: "B" }, { tls: { certificateAuthority: "A" } }],
    ["GIT-055", https, { "ca.crt": "", caFile: "B" }, { tls: { certificateAuthority: "B" } }],
    ["GIT-055", https, { "tls.crt": "C", "tls.key": "K" }, { tls: { certificate: "C", key: "K" } }],
    ["GIT-056", ssh, { identity: "k", known_hosts: "h" }, { identity: "k", knownHosts: "h", password: undefined }],
    ["GIT-058", ssh, { identity: "k", known_hosts: "h", password: "p" }, { password: "p" }],
  ])(
    "GIT-050, GIT-051, GIT-052, GIT-053, GIT-055, GIT-056, GIT-058: by %s, %s with %j",
    (_row, url, data, expected) => {
      expect(gitOptions(new URL(url), dataOf(data))).toMatchObject(expected);
    },
  );

  it("GIT-062, GIT-065: a GitHub App's Secret", () => {
    const app = { githubAppID: "1", githubAppPrivateKey: "k" };
    const read = (entries: Record<string, string>) => readGitHubApp(dataOf(entries), "team/app");
    expect(read({ ...app, githubAppInstallationOwner: "o", githubAppBaseURL: "https://x" })).toEqual({
      ...{ appId: "1", privateKey: "k", owner: "o", baseUrl: "https://x" },
    });
    expect(read({ ...app, githubAppInstallationID: "2" })).toEqual({ appId: "1", privateKey: "k", installation: "2" });
    expect(read({ githubAppID: "1", githubAppInstallationID: "2" })).toBeUndefined();
    expect(read({ githubAppPrivateKey: "k", githubAppInstallationID: "2" })).toBeUndefined();
    const exactlyOne =
      "secret 'team/app' must contain exactly one of 'githubAppInstallationOwner' or 'githubAppInstallationID'";
    expect(() => read(app)).toThrow(exactlyOne);
    expect(() => read({ ...app, githubAppInstallationID: "2", githubAppInstallationOwner: "o" })).toThrow(exactlyOne);
    const malformed = "secret 'team/app': malformed basic auth - has";
    expect(() => read({ ...app, username: "a" })).toThrow(`${malformed} 'username' but missing 'password'`);
    expect(() => read({ ...app, password: "a" })).toThrow(`${malformed} 'password' but missing 'username'`);
    expect([hasGitHubApp(dataOf(app)), hasGitHubApp(dataOf({ githubAppID: "" }))]).toEqual([true, false]);
  });
});
