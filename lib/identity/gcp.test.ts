import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type FakeCloud, startFakeCloud } from "../../test/bed/cloud.ts";
import { gcpToken } from "./gcp.ts";
import type { CloudIdentity, CloudOptions } from "./identity.ts";

let cloud: FakeCloud;
let options: CloudOptions;
beforeAll(async () => {
  cloud = await startFakeCloud();
  const { certificateAuthority, url } = cloud;
  const endpoints = { googleSts: url, googleIamCredentials: url };
  options = { signal: AbortSignal.timeout(60_000), certificateAuthority, endpoints };
  cloud.answers.set("POST /v1/token", () => ({
    body: { access_token: "federated", token_type: "Bearer", expires_in: 3600 },
  }));
});
beforeEach(() => {
  cloud.calls.length = 0;
});
afterAll(() => cloud?.close());

const provider = "projects/1234/locations/global/workloadIdentityPools/pool/providers/cluster";
const email = "deployer@project.iam.gserviceaccount.com";
const asked: string[][] = [];
const account = (annotations: Record<string, string>): CloudIdentity => ({
  type: "serviceAccount",
  account: { namespace: "team", name: "deployer", annotations },
  requestToken: async (audiences) => {
    asked.push([...audiences]);
    return "the.account.token";
  },
});
const withProvider = { "gcp.auth.fluxcd.io/workload-identity-provider": provider };

describe("gcpToken", () => {
  it("KS-103: exchanges the account's token for one of Google Cloud", async () => {
    const before = Date.now();
    const { token, expiresAt } = await gcpToken(account(withProvider), options);
    expect(token).toBe("federated");
    expect(expiresAt.getTime()).toBeGreaterThanOrEqual(before + 3_600_000);
    expect(asked.at(-1)).toEqual([`//iam.googleapis.com/${provider}`]);
    expect(Object.fromEntries(new URLSearchParams(cloud.calls[0]?.body))).toEqual({
      audience: `//iam.googleapis.com/${provider}`,
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      requested_token_type: "urn:ietf:params:oauth:token-type:access_token",
      subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
      subject_token: "the.account.token",
      scope: "https://www.googleapis.com/auth/cloud-platform https://www.googleapis.com/auth/userinfo.email",
    });
    expect(cloud.calls).toHaveLength(1);
  });

  it("KS-103: acts as a Google service account where the annotation names one", async () => {
    const path = `/v1/projects/-/serviceAccounts/${email}:generateAccessToken`;
    cloud.answers.set(`POST ${path}`, () => ({
      body: { accessToken: "impersonated", expireTime: "2030-01-01T00:00:00Z" },
    }));
    const identity = account({ ...withProvider, "iam.gke.io/gcp-service-account": email });
    expect(await gcpToken(identity, options)).toEqual({
      token: "impersonated",
      expiresAt: new Date("2030-01-01T00:00:00Z"),
    });
    expect(cloud.calls.map(({ path }) => path)).toEqual(["/v1/token", path]);
    expect(cloud.calls[1]?.headers).toMatchObject({
      authorization: "Bearer federated",
      "content-type": "application/json",
    });
    expect(JSON.parse(cloud.calls[1]?.body ?? "")).toEqual({
      lifetime: "3600s",
      scope: ["https://www.googleapis.com/auth/cloud-platform", "https://www.googleapis.com/auth/userinfo.email"],
    });
    cloud.answers.set(`POST ${path}`, () => ({ status: 403, body: { error: { message: "Permission denied" } } }));
    await expect(gcpToken(identity, options)).rejects.toThrow(
      `Google refused to let the service account act as ${email}: Permission denied`,
    );
  });

  it("KS-103: on GKE the provider is the cluster that issued the token; elsewhere the annotation must name one", async () => {
    const issuer = "https://container.googleapis.com/v1/projects/team/locations/europe-west1/clusters/home";
    const issued = (iss: string): CloudIdentity => ({
      type: "serviceAccount",
      account: { namespace: "team", name: "deployer", annotations: {} },
      requestToken: async (audiences) => {
        asked.push([...audiences]);
        return `e30.${Buffer.from(JSON.stringify({ iss })).toString("base64url")}.c2ln`;
      },
    });
    expect((await gcpToken(issued(issuer), options)).token).toBe("federated");
    expect(asked.slice(-2)).toEqual([[], ["team.svc.id.goog"]]);
    expect(new URLSearchParams(cloud.calls[0]?.body).get("audience")).toBe(
      `identitynamespace:team.svc.id.goog:${issuer}`,
    );
    await expect(gcpToken(issued("https://kubernetes.default.svc"), options)).rejects.toThrow(
      "the cluster is not one of GKE, and the service account has no annotation gcp.auth.fluxcd.io/workload-identity-provider",
    );
  });

  it("KS-103: refuses annotations that name nothing, before anything is sent", async () => {
    await expect(
      gcpToken(account({ ...withProvider, "iam.gke.io/gcp-service-account": "a/b@c" }), options),
    ).rejects.toThrow("invalid iam.gke.io/gcp-service-account annotation: 'a/b@c'. must match");
    await expect(
      gcpToken(account({ "gcp.auth.fluxcd.io/workload-identity-provider": "projects/x" }), options),
    ).rejects.toThrow("invalid gcp.auth.fluxcd.io/workload-identity-provider annotation: 'projects/x'. must match");
    await expect(gcpToken({ type: "own" }, options)).rejects.toThrow("no identity of its own in Google Cloud");
    expect(cloud.calls).toEqual([]);
  });
});
