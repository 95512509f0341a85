import { describe, expect, it } from "vitest";
import { IdentityError } from "./identity.ts";
import { registryInput } from "./registry-login.ts";

describe("the host of a cloud's registry", () => {
  it.each([
    ["aws", "123456789012.dkr.ecr.eu-central-1.amazonaws.com", "eu-central-1"],
    ["azure", "team.azurecr.io", "team.azurecr.io"],
    ["gcp", "eu.gcr.io", "gcp"],
    ["gcp", "europe-docker.pkg.dev", "gcp"],
  ] as const)("OCI-020: of %s is %s", (provider, host, input) => {
    expect(registryInput(provider, host)).toBe(input);
  });

  it.each(["?x", "#x", "@x", ":443?", "/x", "\\x", " x", "\nx", "%2f"])(
    "OCI-020, HR-013: is whole, and not the end of an address that leads elsewhere: evil.test%s",
    (end) => {
      for (const [provider, suffix] of [
        ["aws", "1.dkr.ecr.eu-central-1.amazonaws.com"],
        ["azure", ".azurecr.io"],
        ["gcp", ".gcr.io"],
        ["gcp", "-docker.pkg.dev"],
      ] as const)
        expect(() => registryInput(provider, `evil.test${end}${suffix}`)).toThrow(IdentityError);
    },
  );
});
