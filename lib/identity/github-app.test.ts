import { generateKeyPairSync } from "node:crypto";
import { jwtVerify } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type FakeCloud, startFakeCloud } from "../../test/bed/cloud.ts";
import { type GitHubApp, installationToken } from "./github-app.ts";
import { type CloudOptions, IdentityError } from "./identity.ts";

const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
const pkcs1 = pair.privateKey.export({ type: "pkcs1", format: "pem" }).toString();
const pkcs8 = pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
const granted = { status: 201, body: { token: "ghs_token", expires_at: "2030-01-01T00:00:00Z" } };

let api: FakeCloud;
let options: CloudOptions;
let app: GitHubApp;
beforeAll(async () => {
  api = await startFakeCloud();
  options = { signal: AbortSignal.timeout(60_000), certificateAuthority: api.certificateAuthority };
});
beforeEach(() => {
  api.calls.length = 0;
  api.answers.clear();
  app = { appId: "123", privateKey: pkcs1, installation: "456", baseUrl: `${api.url}/api/v3` };
});
afterAll(() => api?.close());

async function refusalOf(broken: Partial<GitHubApp>): Promise<string> {
  const error: unknown = await installationToken({ ...app, ...broken }, new Date(), options).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(IdentityError);
  const message = error instanceof Error ? error.message : "";
  expect(message).not.toContain("PRIVATE KEY-----");
  return message;
}

describe("the token of a GitHub App's installation", () => {
  it("GIT-062, GIT-063: is asked for with a token of the App's own, signed with its key", async () => {
    api.answers.set("POST /api/v3/app/installations/456/access_tokens", () => granted);
    const now = new Date(1_780_000_000_999);
    for (const privateKey of [pkcs1, pkcs8]) {
      expect(await installationToken({ ...app, privateKey }, now, options)).toEqual({
        token: "ghs_token",
        expiresAt: new Date("2030-01-01T00:00:00Z"),
      });
    }
    const [call] = api.calls;
    expect(call?.headers).toMatchObject({
      accept: "application/vnd.github+json",
      "x-github-api-version": "2022-11-28",
    });
    const [, token = ""] = /^Bearer (.+)$/.exec(call?.headers.authorization ?? "") ?? [];
    const { payload, protectedHeader } = await jwtVerify(token, pair.publicKey, { currentDate: now });
    expect(protectedHeader).toEqual({ alg: "RS256", typ: "JWT" });
    expect(payload).toEqual({ iss: "123", iat: 1_779_999_970, exp: 1_780_000_090 });
  });

  it("GIT-063: of an owner, first as an organization and then as a user", async () => {
    api.answers.set("GET /api/v3/users/jane%20doe/installation", () => ({ body: { id: 789 } }));
    api.answers.set("POST /api/v3/app/installations/789/access_tokens", () => granted);
    const { installation: _, ...owned } = { ...app, owner: "jane doe" };
    expect((await installationToken(owned, new Date(), options)).token).toBe("ghs_token");
    expect(api.calls.map(({ method, path }) => `${method} ${path}`)).toEqual([
      "GET /api/v3/orgs/jane%20doe/installation",
      "GET /api/v3/users/jane%20doe/installation",
      "POST /api/v3/app/installations/789/access_tokens",
    ]);
    api.answers.clear();
    const asked = (kind: string) => `GET ${api.url}/api/v3/${kind}/jane%20doe/installation: 404  []`;
    expect(await installationToken(owned, new Date(), options).catch(String)).toBe(
      `IdentityError: failed to find organization installation: ${asked("orgs")}\nfailed to find user installation: ${asked("users")}`,
    );
  });

  it("GIT-063: below /api/v3/ where the address does not say so, else where it says", async () => {
    const paths = () => api.calls.splice(0).map(({ path }) => path);
    api.answers.set("POST /api/v3/app/installations/456/access_tokens", () => granted);
    for (const baseUrl of [api.url, `${api.url}/`, `${api.url}/api/v3/`]) {
      await installationToken({ ...app, baseUrl }, new Date(), options);
      expect(paths()).toEqual(["/api/v3/app/installations/456/access_tokens"]);
    }
    api.answers.clear();
    api.answers.set("POST /gateway/app/installations/456/access_tokens", () => granted);
    await installationToken({ ...app, baseUrl: `${api.url}/gateway` }, new Date(), options);
    expect(paths()).toEqual([
      "/gateway/api/v3/app/installations/456/access_tokens",
      "/gateway/app/installations/456/access_tokens",
    ]);
  });

  it("GIT-070: says what the API says, and what the Secret lacks, before anything is sent", async () => {
    const path = "/api/v3/app/installations/456/access_tokens";
    api.answers.set(`POST ${path}`, () => ({ status: 401, body: { message: "Bad credentials" } }));
    expect(await refusalOf({})).toBe(`POST ${api.url}${path}: 401 Bad credentials []`);
    api.calls.length = 0;
    const use = "must be provided to use github app authentication";
    expect(await refusalOf({ appId: "x" })).toBe(`app ID ${use}`);
    expect(await refusalOf({ installation: "x" })).toBe(`app installation owner or ID ${use}`);
    expect(await refusalOf({ owner: "jane" })).toBe(`only one of app installation owner or ID ${use}`);
    expect(await refusalOf({ privateKey: "" })).toBe(`private key ${use}`);
    expect(await refusalOf({ privateKey: "-----BEGIN PRIVATE KEY-----\nx" })).toContain(
      "could not parse private key: ",
    );
    expect(await refusalOf({ baseUrl: "ftp://x" })).toBe("invalid API URL");
    expect(api.calls).toEqual([]);
  });
});
