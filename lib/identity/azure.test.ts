import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FakeCloud, startFakeCloud } from "../../test/bed/cloud.ts";
import { azureToken } from "./azure.ts";
import type { CloudIdentity, CloudOptions } from "./identity.ts";

let cloud: FakeCloud;
let options: CloudOptions;
beforeAll(async () => {
  cloud = await startFakeCloud();
  const { certificateAuthority, url: entra } = cloud;
  options = { signal: AbortSignal.timeout(60_000), certificateAuthority, endpoints: { entra } };
});
afterAll(() => cloud?.close());

const annotations = { "azure.workload.identity/tenant-id": "tenant", "azure.workload.identity/client-id": "client" };
const asked: string[][] = [];
const account = (given: Record<string, string>): CloudIdentity => ({
  type: "serviceAccount",
  account: { namespace: "team", name: "deployer", annotations: given },
  requestToken: async (audiences) => {
    asked.push([...audiences]);
    return "the.account.token";
  },
});

describe("azureToken", () => {
  it("KS-103: gives the account's token as the client's assertion, for a scope", async () => {
    cloud.answers.set("POST /tenant/oauth2/v2.0/token", () => ({
      body: { token_type: "Bearer", expires_in: 3599, access_token: "azure-token" },
    }));
    const before = Date.now();
    const { token, expiresAt } = await azureToken(account(annotations), "https://vault.azure.net/.default", options);
    expect(token).toBe("azure-token");
    expect(expiresAt.getTime()).toBeGreaterThanOrEqual(before + 3_599_000);
    expect(expiresAt.getTime()).toBeLessThanOrEqual(Date.now() + 3_599_000);
    expect(asked).toEqual([["api://AzureADTokenExchange"]]);
    expect(cloud.calls[0]?.headers["content-type"]).toBe("application/x-www-form-urlencoded");
    expect(Object.fromEntries(new URLSearchParams(cloud.calls[0]?.body))).toEqual({
      grant_type: "client_credentials",
      client_id: "client",
      scope: "https://vault.azure.net/.default",
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      client_assertion: "the.account.token",
    });
  });

  it("KS-103: says what Entra ID says, and which annotation is missing", async () => {
    cloud.answers.set("POST /tenant/oauth2/v2.0/token", () => ({
      status: 400,
      body: { error: "invalid_client", error_description: "AADSTS70021: No matching record.\r\nTrace ID: 1" },
    }));
    await expect(azureToken(account(annotations), "scope", options)).rejects.toThrow(
      "Entra ID refused a token for client client of tenant tenant: invalid_client: AADSTS70021: No matching record.",
    );
    await expect(azureToken(account({}), "scope", options)).rejects.toThrow(
      "azure tenant ID is not set in the service account annotation azure.workload.identity/tenant-id",
    );
    const { "azure.workload.identity/client-id": _, ...tenantOnly } = annotations;
    await expect(azureToken(account(tenantOnly), "scope", options)).rejects.toThrow(
      "azure client ID is not set in the service account annotation azure.workload.identity/client-id",
    );
    await expect(azureToken({ type: "own" }, "scope", options)).rejects.toThrow("no identity of its own in Azure");
  });

  it("KS-103: an annotation names a path of Entra ID and no other", async () => {
    cloud.calls.length = 0;
    const hostile = { ...annotations, "azure.workload.identity/tenant-id": "../evil?x=" };
    await expect(azureToken(account(hostile), "scope", options)).rejects.toThrow("status 404");
    expect(cloud.calls.map(({ path }) => path)).toEqual(["/..%2Fevil%3Fx%3D/oauth2/v2.0/token"]);
  });
});
