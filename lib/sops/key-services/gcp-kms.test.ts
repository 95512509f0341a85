import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type CloudAnswer,
  type CloudRequestSeen,
  type CloudService,
  startCloudService,
} from "../../../test/bed/cloud-service.ts";
import type { GcpKmsKey } from "../keys.ts";
import { gcpKms, parseGcpEntry } from "./gcp-kms.ts";

const dataKey = Buffer.alloc(32, 9);
const key: GcpKmsKey = {
  kind: "gcp_kms",
  resourceId: "projects/example.com:team/locations/global/keyRings/sops/cryptoKeys/sops-key",
  enc: Buffer.from("ciphertext").toString("base64"),
};
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const account = {
  type: "service_account",
  project_id: "team",
  private_key_id: "0a1b2c",
  private_key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  client_email: "sops@team.iam.gserviceaccount.com",
  client_id: "1",
  auth_uri: "https://accounts.google.com/o/oauth2/auth",
  token_uri: "https://oauth2.googleapis.com/token",
};

let google: CloudService;
let answer: (request: CloudRequestSeen) => CloudAnswer | undefined;

/** Google's OAuth 2.0 server and Cloud KMS, as their references have them. */
function documented({ method, host, path, headers, body }: CloudRequestSeen): CloudAnswer | undefined {
  if (method !== "POST") return undefined;
  if (host === "oauth2.googleapis.com" && path === "/token")
    return { json: { access_token: "google-token", expires_in: 3599, token_type: "Bearer" } };
  if (host !== "cloudkms.googleapis.com" || headers.authorization !== "Bearer google-token")
    return { status: 401, json: {} };
  if (path !== "/v1/projects/example.com%3Ateam/locations/global/keyRings/sops/cryptoKeys/sops-key:decrypt")
    return undefined;
  expect(JSON.parse(body)).toEqual({ ciphertext: key.enc });
  return { json: { plaintext: dataKey.toString("base64"), plaintextCrc32c: "1", usedPrimary: true } };
}

beforeEach(async () => {
  answer = documented;
  google = await startCloudService(["oauth2.googleapis.com", "cloudkms.googleapis.com"], (request) => answer(request));
});
afterEach(() => google.stop());

const service = (entry: unknown) => {
  const { exchange } = google;
  return gcpKms({
    exchange,
    token: parseGcpEntry(typeof entry === "string" ? entry : JSON.stringify(entry), { exchange }),
  });
};
const tokenForm = () => Object.fromEntries(new URLSearchParams(google.seen[0]?.body));

describe("Google Cloud KMS", () => {
  it("KS-096: a service account signs for a token, with which KMS decrypts; the token is asked for once", async () => {
    const decrypt = service(`\n${JSON.stringify(account)}\n`);
    expect(Buffer.from(await decrypt(key))).toEqual(dataKey);
    expect(Buffer.from(await decrypt(key))).toEqual(dataKey);
    expect(google.seen.map(({ host }) => host.split(".")[0])).toEqual(["oauth2", "cloudkms", "cloudkms"]);
    const { grant_type, assertion = "" } = tokenForm();
    expect(grant_type).toBe("urn:ietf:params:oauth:grant-type:jwt-bearer");
    const [header = "", claims = "", signature = ""] = assertion.split(".");
    const read = (part: string) => JSON.parse(Buffer.from(part, "base64url").toString());
    expect(read(header)).toEqual({ alg: "RS256", typ: "JWT", kid: "0a1b2c" });
    const { iat, exp, ...named } = read(claims);
    expect(named).toEqual({
      iss: account.client_email,
      scope: "https://www.googleapis.com/auth/cloud-platform https://www.googleapis.com/auth/cloudkms",
      aud: account.token_uri,
    });
    expect([Math.abs(iat - Date.now() / 1000) < 60, exp - iat]).toEqual([true, 3600]);
    const signed = Buffer.from(`${header}.${claims}`);
    expect(verify("sha256", signed, createPublicKey(privateKey), Buffer.from(signature, "base64url"))).toBe(true);
  });

  it("KS-096: a user's credentials are refreshed", async () => {
    const user = { type: "authorized_user", client_id: "id", client_secret: "secret", refresh_token: "refresh" };
    expect(Buffer.from(await service(user)(key))).toEqual(dataKey);
    expect(tokenForm()).toEqual({
      grant_type: "refresh_token",
      client_id: "id",
      client_secret: "secret",
      refresh_token: "refresh",
    });
  });

  it("KS-096, KS-105: an error tells what the service says, and never the key", async () => {
    answer = ({ host }) =>
      host.startsWith("oauth2")
        ? { status: 400, json: { error: "invalid_grant", error_description: "Invalid JWT Signature." } }
        : undefined;
    await expect(service(account)(key)).rejects.toThrow(
      "Google refused a token for the credentials of 'sops.gcp-kms': invalid_grant: Invalid JWT Signature.",
    );
    answer = (request) =>
      request.host.startsWith("cloudkms")
        ? { status: 403, json: { error: { code: 403, message: "Permission denied", status: "PERMISSION_DENIED" } } }
        : documented(request);
    await expect(service(account)(key)).rejects.toThrow(
      "failed to decrypt sops data key with GCP KMS key: PERMISSION_DENIED: Permission denied",
    );
  });

  it.each([
    "projects/team/locations/global/keyRings/sops",
    "projects/../locations/global/keyRings/sops/cryptoKeys/key",
    "projects/team/locations/global/keyRings/sops/cryptoKeys/key/cryptoKeyVersions/1",
    "https://evil.example/projects/team/locations/global/keyRings/sops/cryptoKeys/key",
  ])("KS-096: a file that names %s as the key is asked nowhere", async (resourceId) => {
    await expect(service(account)({ ...key, resourceId })).rejects.toThrow(
      `no valid resource ID found in "${resourceId}"`,
    );
    expect(google.seen).toEqual([]);
  });

  it("KS-096: what a file names as the key stays within the path", async () => {
    const resourceId = "projects/team/locations/global/keyRings/a?b#c/cryptoKeys/%2e%2e";
    await expect(service(account)({ ...key, resourceId })).rejects.toThrow(
      "failed to decrypt sops data key with GCP KMS key: status 404",
    );
    expect(google.seen[1]?.path).toBe(
      "/v1/projects/team/locations/global/keyRings/a%3Fb%23c/cryptoKeys/%252e%252e:decrypt",
    );
  });

  it.each([
    ['{"private_key": "hush-hush"', "it is not valid JSON"],
    ['"hush-hush"', "it is no JSON object"],
    [{ private_key: "hush-hush" }, "missing 'type' field in credentials"],
    [{ ...account, private_key: "hush-hush" }, "its 'private_key' is no RSA key in PEM"],
    [{ ...account, client_email: undefined }, "it has no 'client_email'"],
    [{ ...account, token_uri: "http://oauth2.googleapis.com/token" }, "token_uri is no https address"],
    [
      { type: "external_account", credential_source: { file: "/proc/self/environ" } },
      "credentials of type 'external_account' are not supported",
    ],
  ])("KS-098: an entry that cannot be used is refused, without a word of it (%#)", (entry, why) => {
    expect(() => service(entry)).toThrow(why);
    expect(() => service(entry)).not.toThrow("hush-hush");
  });
});
