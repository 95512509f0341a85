import { describe, expect, it } from "vitest";
import { registryCredentials } from "./registry-credentials.ts";

const secret = (data: Record<string, string>, type = "Opaque") => ({
  reference: "apps/login",
  type,
  data: new Map(Object.entries(data).map(([key, value]) => [key, Buffer.from(value)])),
});
const docker = (config: unknown) =>
  secret(
    { ".dockerconfigjson": typeof config === "string" ? config : JSON.stringify(config) },
    "kubernetes.io/dockerconfigjson",
  );
const auth = Buffer.from("ada:s3cret:x").toString("base64");

describe("credentials for a registry of charts", () => {
  it("HR-015: are the Secret's username and password, both or neither", () => {
    const url = "oci://registry.example.com:5000/charts";
    expect(registryCredentials(secret({ username: "ada", password: "x" }), url)).toEqual({
      username: "ada",
      password: "x",
    });
    expect(registryCredentials(secret({}), url)).toBeUndefined();
    for (const half of [{ username: "ada" }, { password: "canary" }])
      expect(() => registryCredentials(secret(half), url)).toThrow(
        "failed to configure OCI registry authentication: invalid 'login' secret data: required fields 'username' and 'password'",
      );
  });

  it("HR-015: are those of exactly the registry's host and port in Docker's format", () => {
    const auths = {
      "registry.example.com": { auth },
      "https://registry.example.com:5000/v1/": { username: "eve", password: "y" },
      "plain.example.com": { username: "bob", password: "z" },
      "anonymous.example.com": {},
    };
    const of = (host: string) => registryCredentials(docker({ auths }), `oci://${host}/charts`);
    expect(of("registry.example.com")).toEqual({ username: "ada", password: "s3cret:x" });
    expect(of("registry.example.com:5000")).toEqual({ username: "eve", password: "y" });
    expect(of("plain.example.com")).toEqual({ username: "bob", password: "z" });
    expect(of("anonymous.example.com")).toBeUndefined();
    for (const host of ["example.com", "registry.example.com:443", "sub.registry.example.com"])
      expect(() => of(host)).toThrow(`no auth config for '${host}' in the docker-registry Secret 'login'`);
  });

  it("HR-015: are not guessed from what is no such format", () => {
    for (const config of ["canary", "[]", { auths: [] }, { auths: { "a.example": { auth: "Y2FuYXJ5" } } }])
      expect(() => registryCredentials(docker(config), "oci://a.example/x")).toThrow(
        "unable to load Docker config from Secret 'login'",
      );
  });
});
