import { describe, expect, it } from "vitest";
import { credentialsFor, type DockerConfig, readDockerConfig } from "./docker-config.ts";

const base64 = (text: string) => Buffer.from(text).toString("base64");
const entry = (username: string) => ({ auth: base64(`${username}:secret:with:colons`) });
const read = (auths: Record<string, unknown>): DockerConfig => readDockerConfig(JSON.stringify({ auths }));

function userFor(config: DockerConfig, host: string, path = "org/app"): string | undefined {
  const found = credentialsFor(config, { host, path });
  return found !== undefined && "username" in found ? found.username : undefined;
}

describe("a Docker configuration", () => {
  it.each([
    ["ghcr.io", "ghcr.io", "org/app", true],
    ["https://ghcr.io", "ghcr.io", "org/app", true],
    ["https://ghcr.io/v2/", "ghcr.io", "org/app", true],
    ["https://ghcr.io/v1/org", "ghcr.io", "org/app", true],
    ["ghcr.io/org", "ghcr.io", "org/app", true],
    ["ghcr.io/org/app", "ghcr.io", "org/app", true],
    ["ghcr.io/other", "ghcr.io", "org/app", false],
    ["*.example.com", "registry.example.com", "a", true],
    ["*.example.com", "a.b.example.com", "a", false],
    ["*.example.com", "example.com", "a", false],
    ["reg*.example.com", "registry.example.com", "a", true],
    ["example.com:5000", "example.com:5000", "a", true],
    ["example.com", "example.com:5000", "a", false],
    ["example.com:5000", "example.com", "a", false],
    ["https://index.docker.io/v1/", "index.docker.io", "library/app", true],
    ["docker.io", "index.docker.io", "library/app", true],
    ["ghcr.io.evil.test", "ghcr.io", "a", false],
    ["[", "ghcr.io", "a", false],
  ])("OCI-017: an entry for %s speaks of %s/%s: %s", (address, host, path, isIt) => {
    expect(userFor(read({ [address]: entry("user") }), host, path)).toBe(isIt ? "user" : undefined);
  });

  it("OCI-017: the most specific entry counts, of two alike the first", () => {
    const config = read({ "*.io": entry("any"), "ghcr.io": entry("host"), "ghcr.io/org": entry("org") });
    expect(userFor(config, "ghcr.io")).toBe("org");
    expect(userFor(config, "ghcr.io", "other/app")).toBe("host");
    expect(userFor(config, "quay.io")).toBe("any");
    const both = [...read({ "ghcr.io": entry("first") }), ...read({ "https://ghcr.io/": entry("second") })];
    expect(userFor(both, "ghcr.io")).toBe("first");
  });

  it("reads every form of an entry, and tells no value where there is none", () => {
    const at = (value: unknown) => credentialsFor(read({ "ghcr.io": value }), { host: "ghcr.io", path: "a" });
    expect(at(entry("user"))).toEqual({ username: "user", password: "secret:with:colons" });
    expect(at({ auth: base64("user:p\0\0").replace(/=+$/, "") })).toEqual({ username: "user", password: "p" });
    expect(at({ username: "user", password: "p" })).toEqual({ username: "user", password: "p" });
    expect(at({ identitytoken: "t" })).toEqual({ identityToken: "t" });
    expect(at({ ...entry("<token>"), registrytoken: "t" })).toEqual({ registryToken: "t" });
    expect(at({})).toBeUndefined();
    expect(readDockerConfig("{}")).toEqual([]);
    const legacy = readDockerConfig(JSON.stringify({ "ghcr.io": entry("user") }), { legacy: true });
    expect(userFor(legacy, "ghcr.io")).toBe("user");
    const bad = ["c4n4ry{", "[]", '{"auths":[]}', '{"auths":{"a":"c4n4ry"}}', '{"auths":{"a":{"auth":"c4n4ry!"}}}'];
    for (const text of [...bad, JSON.stringify({ auths: { a: { auth: base64("c4n4ry") } } })]) {
      expect(() => readDockerConfig(text)).toThrow();
      expect(() => readDockerConfig(text)).not.toThrow("c4n4ry");
    }
  });
});
