import { createHash, generateKeyPairSync, verify, X509Certificate } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { clientCertificate, publicKeyOf } from "../../../test/bed/client-certificate.ts";
import {
  type CloudAnswer,
  type CloudRequestSeen,
  type CloudService,
  startCloudService,
} from "../../../test/bed/cloud-service.ts";
import type { AzureKeyVaultKey } from "../keys.ts";
import { parseAzureEntry } from "./azure-credentials.ts";
import { azureKeyVault } from "./azure-key-vault.ts";

const tenant = "11111111-2222-3333-4444-555555555555";
const client = "66666666-7777-8888-9999-000000000000";
const dataKey = Buffer.alloc(32, 7);
const key: AzureKeyVaultKey = {
  kind: "azure_kv",
  vaultUrl: "https://team.vault.azure.net",
  name: "sops-key",
  version: "0123456789abcdef",
  enc: Buffer.from("ciphertext").toString("base64url"),
};

let azure: CloudService;
let answer: (request: CloudRequestSeen) => CloudAnswer | undefined;

const entra: Record<string, string> = {
  "login.microsoftonline.com": "https://vault.azure.net/.default",
  "login.microsoftonline.us": "https://vault.usgovcloudapi.net/.default",
};
/** Entra ID and Key Vault, as their references have them. */
function documented({ method, host, path, headers, body }: CloudRequestSeen): CloudAnswer | undefined {
  if (method !== "POST") return undefined;
  if (entra[host] !== undefined) {
    const form = new URLSearchParams(body);
    if (path !== `/${tenant}/oauth2/v2.0/token` || form.get("scope") !== entra[host]) return undefined;
    if (form.get("client_secret") === "wrong")
      return {
        status: 401,
        json: {
          error: "invalid_client",
          error_description: "AADSTS7000215: Invalid client secret provided.\r\nTrace ID: x",
        },
      };
    return { json: { token_type: "Bearer", expires_in: 3599, access_token: "entra-token" } };
  }
  if (headers.authorization !== "Bearer entra-token") return { status: 401, json: {} };
  if (path !== "/keys/sops-key/0123456789abcdef/decrypt?api-version=7.4") return undefined;
  expect(JSON.parse(body)).toEqual({ alg: "RSA-OAEP-256", value: key.enc });
  return { json: { kid: `${key.vaultUrl}/keys/sops-key/0123456789abcdef`, value: dataKey.toString("base64url") } };
}

beforeEach(async () => {
  answer = documented;
  azure = await startCloudService(
    [...Object.keys(entra), "team.vault.azure.net", "team.vault.usgovcloudapi.net"],
    (request) => answer(request),
  );
});
afterEach(() => azure.stop());

const service = (entry: unknown) => {
  const text = typeof entry === "string" ? entry : JSON.stringify(entry);
  const { exchange } = azure;
  return azureKeyVault({ exchange, credential: parseAzureEntry(Buffer.from(text), { exchange }) });
};
const withSecret = { tenantId: tenant, clientId: client, clientSecret: "word" };
const tokenForm = () => Object.fromEntries(new URLSearchParams(azure.seen[0]?.body));

describe("Azure Key Vault", () => {
  it("KS-096: a service principal's secret gives a token, with which the vault decrypts; the token is asked for once", async () => {
    const decrypt = service(`tenantId: ${tenant}\nclientId: ${client}\nclientSecret: word\n`);
    expect(Buffer.from(await decrypt(key))).toEqual(dataKey);
    expect(Buffer.from(await decrypt({ ...key, vaultUrl: "https://team.vault.azure.net/" }))).toEqual(dataKey);
    expect(tokenForm()).toEqual({
      grant_type: "client_credentials",
      client_id: client,
      client_secret: "word",
      scope: "https://vault.azure.net/.default",
    });
    expect(azure.seen.map(({ host }) => host)).toEqual([
      "login.microsoftonline.com",
      "team.vault.azure.net",
      "team.vault.azure.net",
    ]);
  });

  it("KS-096: what az prints is a service principal too, in UTF-16 as PowerShell writes it", async () => {
    const text = JSON.stringify({ appId: client, displayName: "sops", password: "word", tenant });
    const { exchange } = azure;
    const utf16 = Buffer.concat([Buffer.of(0xff, 0xfe), Buffer.from(text, "utf16le")]);
    const decrypt = azureKeyVault({ exchange, credential: parseAzureEntry(utf16, { exchange }) });
    expect(Buffer.from(await decrypt(key))).toEqual(dataKey);
    expect(tokenForm()).toMatchObject({ client_id: client, client_secret: "word" });
  });

  it.each([
    ["", false],
    ["password", true],
  ])("KS-096: a certificate (password '%s', chain %s) signs the assertion", async (password, sendChain) => {
    const { pem, certificates } = clientCertificate(password);
    const entry = {
      tenantId: tenant,
      clientId: client,
      clientCertificate: pem,
      ...(password === "" ? {} : { clientCertificatePassword: password }),
      clientCertificateSendChain: sendChain,
    };
    expect(Buffer.from(await service(entry)(key))).toEqual(dataKey);
    const { client_assertion: assertion = "", ...form } = tokenForm();
    expect(form).toEqual({
      grant_type: "client_credentials",
      client_id: client,
      scope: "https://vault.azure.net/.default",
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    });
    const [header = "", claims = "", signature = ""] = assertion.split(".");
    const read = (part: string) => JSON.parse(Buffer.from(part, "base64url").toString());
    const [own = "", issuer = ""] = certificates.map((text) => new X509Certificate(text).raw.toString("base64"));
    expect(read(header)).toEqual({
      alg: "PS256",
      typ: "JWT",
      "x5t#S256": createHash("sha256").update(Buffer.from(own, "base64")).digest("base64url"),
      ...(sendChain ? { x5c: [own, issuer] } : {}),
    });
    expect(read(claims)).toMatchObject({
      aud: `https://login.microsoftonline.com/${tenant}/oauth2/v2.0/token`,
      iss: client,
      sub: client,
    });
    const pss = { key: publicKeyOf(certificates[0] ?? ""), padding: 6, saltLength: 32 };
    expect(verify("sha256", Buffer.from(`${header}.${claims}`), pss, Buffer.from(signature, "base64url"))).toBe(true);
  });

  it("KS-096: authorityHost chooses the cloud, and with it the vaults", async () => {
    const decrypt = service({ ...withSecret, authorityHost: "https://login.microsoftonline.us/" });
    expect(Buffer.from(await decrypt({ ...key, vaultUrl: "https://team.vault.usgovcloudapi.net" }))).toEqual(dataKey);
    await expect(decrypt(key)).rejects.toThrow(
      "'https://team.vault.azure.net' is no key vault of the credentials' cloud",
    );
    expect(azure.seen.map(({ host }) => host)).toEqual(["login.microsoftonline.us", "team.vault.usgovcloudapi.net"]);
    expect(() => service({ ...withSecret, authorityHost: "https://login.evil.example" })).toThrow(
      "'https://login.evil.example' is the authority of no cloud of Azure",
    );
  });

  it.each([
    "https://evil.example",
    "https://evil.example/vault.azure.net",
    "https://vault.azure.net",
    "https://team.vault.azure.net.evil.example",
    "https://teamvault.azure.net",
    "https://a.team.vault.azure.net",
    "https://evil.example#.vault.azure.net",
    "https://team.vault.azure.net@evil.example",
    "https://team.vault.azure.net:8443",
    "http://team.vault.azure.net",
    "https://team.vault.azure.net/?x=",
    "not an address",
  ])("KS-096: no token is asked for, or sent, for a file that names %s", async (vaultUrl) => {
    await expect(service(withSecret)({ ...key, vaultUrl })).rejects.toThrow(
      "is no key vault of the credentials' cloud",
    );
    await expect(service(withSecret)({ ...key, name: "../../secrets/x" })).rejects.toThrow("that is no name of a key");
    expect(azure.seen).toEqual([]);
  });

  it("KS-096: a managed identity says where it can be used", async () => {
    await expect(service({ clientId: client })(key)).rejects.toThrow(
      `the managed identity '${client}' can be used within Azure only`,
    );
  });

  it("KS-096, KS-105: an error tells what the service says, and never the secret", async () => {
    await expect(service({ ...withSecret, clientSecret: "wrong" })(key)).rejects.toThrow(
      `Entra ID refused a token for client ${client} of tenant ${tenant}: invalid_client: AADSTS7000215: Invalid client secret provided.`,
    );
    answer = (request) =>
      request.path.startsWith("/keys/")
        ? {
            status: 403,
            json: { error: { code: "Forbidden", message: "The user does not have keys decrypt permission" } },
          }
        : documented(request);
    await expect(service(withSecret)(key)).rejects.toThrow(
      "failed to decrypt sops data key with Azure Key Vault key 'https://team.vault.azure.net/keys/sops-key/0123456789abcdef': 403 Forbidden: The user does not have keys decrypt permission",
    );
  });

  it.each([
    ["password: hush-hush", "invalid data: requires a 'clientId' field, a combination of"],
    ["password: [hush-hush", "failed to unmarshal Azure authentication file: it is no YAML"],
    ["- hush-hush", "failed to unmarshal Azure authentication file: it is no YAML object"],
    [{ ...withSecret, tenantId: "../hush-hush" }, "invalid tenantID"],
    [
      { tenantId: tenant, clientId: client, clientCertificate: "hush-hush" },
      "clientCertificate: it holds no private key",
    ],
    [
      {
        tenantId: tenant,
        clientId: client,
        clientCertificate: clientCertificate("right").pem,
        clientCertificatePassword: "hush-hush",
      },
      "clientCertificate: its private key cannot be read",
    ],
    [
      {
        tenantId: tenant,
        clientId: client,
        clientCertificate: generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({
          type: "pkcs8",
          format: "pem",
        }),
      },
      "clientCertificate: it holds no certificate of its private key",
    ],
  ])("KS-098: an entry that cannot be used is refused, without a word of it (%#)", (entry, why) => {
    expect(() => service(entry)).toThrow(why);
    expect(() => service(entry)).not.toThrow("hush-hush");
  });
});
