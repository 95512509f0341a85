import { describe, expect, it } from "vitest";
import { ownEnvironment } from "./own-environment.ts";

describe("what the environment says of the clouds", () => {
  it("KS-104: is nothing where it says nothing", () => {
    expect(ownEnvironment({ VAULT_ADDR: "https://vault.example.com" })).toEqual({ endpoints: {} });
  });

  it("KS-104: VAULT_TOKEN is for VAULT_ADDR and what is allowed beside it", () => {
    const env = {
      VAULT_TOKEN: "word",
      VAULT_ADDR: "https://vault.example.com",
      SOPS_HC_VAULT_ALLOWLIST: "https://bao.example.com:8200, http://bao.bao.svc:8200",
    };
    const addresses = ["https://vault.example.com", "https://bao.example.com:8200", "http://bao.bao.svc:8200"];
    expect(ownEnvironment(env)).toEqual({ endpoints: {}, ownVaultToken: { token: "word", addresses } });
    // SOPS's word for every address allows none here.
    expect(ownEnvironment({ VAULT_TOKEN: "word", SOPS_HC_VAULT_ALLOWLIST: "all" })).toMatchObject({
      ownVaultToken: { addresses: [] },
    });
  });

  it("KS-100: AWS's services are where its own clients would look for them", () => {
    const env = { AWS_ENDPOINT_URL: "http://127.0.0.1:4566", AWS_ENDPOINT_URL_KMS: "https://kms.example.com" };
    expect(ownEnvironment(env)).toEqual({
      endpoints: { kms: "https://kms.example.com", sts: "http://127.0.0.1:4566" },
    });
  });
});
