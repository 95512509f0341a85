import { describe, expect, it } from "vitest";
import { parseChallenge } from "./authentication.ts";
import { isLocalHost, parseRepositoryName, requestHost, withoutUser } from "./repository-name.ts";

describe("the name of a repository", () => {
  it.each([
    ["ghcr.io/org/app", "ghcr.io", "org/app"],
    ["localhost/app", "localhost", "app"],
    ["host:5000/a_b/c--d/e.f", "host:5000", "a_b/c--d/e.f"],
    ["[::1]:5000/app", "[::1]:5000", "app"],
    ["docker.io/app", "index.docker.io", "library/app"],
    ["registry-1.docker.io/org/app", "index.docker.io", "org/app"],
    ["org/app", "index.docker.io", "org/app"],
    ["app", "index.docker.io", "library/app"],
  ])("OCI-001: %s", (text, host, path) => {
    expect(parseRepositoryName(text)).toEqual({ host, path });
  });

  it.each([
    "",
    "ghcr.io/",
    "ghcr.io/App",
    "ghcr.io/a/../b",
    "ghcr.io/a//b",
    "ghcr.io/a b",
    "ghcr.io/a?b",
    "ghcr.io/a@sha256:1",
  ])("OCI-001: is not '%s'", (text) => {
    expect(() => parseRepositoryName(text)).toThrow();
  });

  it.each(["user:pass@host.test/a", "a..b/c", "-a.test/b", "a.test:99999/b", "ho%20st.test/a"])(
    "OCI-001: has no host as in %s",
    (text) => {
      expect(() => parseRepositoryName(text)).toThrow("registries must be valid RFC 3986 URI authorities");
    },
  );

  it.each([
    "user:c4n4ry@host.test/a",
    "user:c4n4ry/c4n4ry@host.test/a",
    "host.test/c4n4ry@other/A",
    "c4n4ry@a@sha256:1",
  ])("SEC-012: shows no user that somebody wrote before the host: %s", (text) => {
    expect(() => parseRepositoryName(text)).toThrow(/^(?!.*c4n4ry)/s);
    expect(withoutUser(`oci://${text}`)).toMatch(/^oci:\/\/(?!.*c4n4ry)/);
  });

  it("leads to where Docker Hub answers", () => {
    expect(requestHost("index.docker.io")).toBe("registry-1.docker.io");
    expect(requestHost("ghcr.io")).toBe("ghcr.io");
  });

  it.each([
    ["127.0.0.1:5000", true],
    ["localhost:5000", true],
    ["10.1.2.3", true],
    ["172.31.0.1:80", true],
    ["192.168.1.1", true],
    ["registry.svc.cluster.local:5000", true],
    ["172.32.0.1", false],
    ["ghcr.io", false],
    ["localhost.example.com", false],
    ["10.example.com", false],
  ])("OCI-022: %s may speak plain HTTP by its name: %s", (host, isLocal) => {
    expect(isLocalHost(host)).toBe(isLocal);
  });
});

describe("a challenge", () => {
  it.each([
    [
      'Bearer realm="https://a/t",service="s",scope="repository:a:pull,push"',
      "bearer",
      { realm: "https://a/t", service: "s", scope: "repository:a:pull,push" },
    ],
    ['Negotiate, Basic realm="r"', "basic", { realm: "r" }],
    ['bearer realm=https://a/t, Basic realm="r"', "bearer", { realm: "https://a/t" }],
    ["Basic", "basic", {}],
  ])("reads %s", (header, scheme, parameters) => {
    const challenge = parseChallenge(header);
    expect(challenge?.scheme).toBe(scheme);
    expect(Object.fromEntries(challenge?.parameters ?? [])).toMatchObject(parameters);
  });

  it("is none where no scheme is known, and takes no time that hostile ones would like it to", () => {
    expect(parseChallenge(undefined)).toBeUndefined();
    expect(parseChallenge("Negotiate")).toBeUndefined();
    const begun = performance.now();
    parseChallenge(`Negotiate${",  ".repeat(20_000)}`);
    parseChallenge(`Negotiate,${" ".repeat(60_000)}x`);
    expect(performance.now() - begun).toBeLessThan(500);
  });
});
