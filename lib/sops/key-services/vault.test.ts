import { once } from "node:events";
import { createServer } from "node:https";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  type CloudAnswer,
  type CloudRequestSeen,
  type CloudService,
  startCloudService,
} from "../../../test/bed/cloud-service.ts";
import { createCertificateAuthority, issueCertificate } from "../../platform/local/certificate.ts";
import type { VaultKey } from "../keys.ts";
import { parseVaultConfig, parseVaultEntry, type VaultOptions, vault } from "./vault.ts";

const dataKey = Buffer.alloc(32, 3);
const address = "https://vault.example.com";
const key: VaultKey = {
  kind: "hc_vault",
  vaultAddress: address,
  enginePath: "transit",
  keyName: "sops",
  enc: "vault:v1:x",
};
const plain: CloudAnswer = { json: { data: { plaintext: dataKey.toString("base64") } } };

let server: CloudService;
let answer: (request: CloudRequestSeen) => CloudAnswer | undefined;
beforeEach(async () => {
  answer = () => plain;
  server = await startCloudService(["vault.example.com"], (request) => answer(request));
});
afterEach(() => server.stop());

const service = (options: Partial<VaultOptions> = { token: "word" }) =>
  vault({ exchange: server.exchange, ...options });

describe("requests to Vault", () => {
  it("KS-104: are those of the transit engine's reference, at an address that may have a path of its own", async () => {
    expect(Buffer.from(await service()(key))).toEqual(dataKey);
    const behind = { ...key, vaultAddress: `${address}/vault/`, enginePath: "/ns/transit/", keyName: "a b?c#d" };
    await service()(behind);
    expect(server.seen).toMatchObject([
      { method: "POST", path: "/v1/transit/decrypt/sops", body: '{"ciphertext":"vault:v1:x"}' },
      { method: "POST", path: "/vault/v1/ns/transit/decrypt/a%20b%3Fc%23d" },
    ]);
    expect(server.seen[0]?.headers).toMatchObject({ "x-vault-token": "word", "x-vault-request": "true" });
  });

  it.each([
    [{ enginePath: "../sys/wrapping", keyName: "x" }, "are no path of a Vault transit key"],
    [{ enginePath: "transit", keyName: "../../auth/token/create" }, "are no path of a Vault transit key"],
    [{ enginePath: "transit", keyName: ".." }, "are no path of a Vault transit key"],
    [{ enginePath: "transit", keyName: "" }, "are no path of a Vault transit key"],
    [{ vaultAddress: "file:///etc/passwd" }, "'file:///etc/passwd' is no address of a Vault server"],
    [{ vaultAddress: "https://a:b@vault.example.com" }, "is no address of a Vault server"],
    [{ vaultAddress: "https://vault.example.com?x" }, "is no address of a Vault server"],
    [{ vaultAddress: "" }, "'' is no address of a Vault server"],
  ])("KS-104: nothing is sent for a file that names %j", async (named, why) => {
    await expect(service()({ ...key, ...named })).rejects.toThrow(why);
    expect(server.seen).toEqual([]);
  });

  it.each(["http://169.254.169.254/latest", "http://[fd00:ec2::254]"])(
    "KS-104: a file cannot have the machine's own services asked (%s)",
    async (vaultAddress) => {
      await expect(vault({ token: "word" })({ ...key, vaultAddress })).rejects.toThrow("link-local");
    },
  );

  it("KS-104: a redirect is not followed, as the token would go wherever it says", async () => {
    answer = () => ({ status: 307, json: { errors: [] } });
    await expect(service()(key)).rejects.toThrow(
      "failed to decrypt sops data key from Vault transit backend 'transit/decrypt/sops': status 307",
    );
    expect(server.seen).toHaveLength(1);
  });

  it("KS-104: a token that is no ServiceAccount's gives no role", async () => {
    const jwt = (claims: unknown) => `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.x`;
    const instances = async () => new Map([[address, { loginPath: "auth/kubernetes/login" }]]);
    const login = (token: string) => ({ configMap: "flux-system/vault", instances, requestToken: async () => token });
    const words = "failed to derive Vault role for authentication";
    await expect(service({ login: login("opaque") })(key)).rejects.toThrow(`${words}: not a JWT`);
    await expect(service({ login: login(jwt({ sub: "someone" })) })(key)).rejects.toThrow(
      `${words}: unexpected token subject 'someone'`,
    );
    expect(server.seen).toEqual([]);
  });

  it("KS-104: a login asks the path as it is written, once for an address, and what has no token is told", async () => {
    const jwt = `e30.${Buffer.from('{"sub":"system:serviceaccount:apps:reader"}').toString("base64url")}.x`;
    const instances = async () => new Map([[address, { loginPath: "ns1/auth/jwt-prod/login" }]]);
    const login = { configMap: "flux-system/vault", instances, requestToken: async () => jwt };
    answer = ({ path }) => (path.endsWith("login") ? { json: { auth: { client_token: "short-lived" } } } : plain);
    const decrypt = service({ login });
    await Promise.all([decrypt(key), decrypt(key)]);
    expect(server.seen.map(({ path }) => path)).toEqual([
      "/v1/ns1/auth/jwt-prod/login",
      "/v1/transit/decrypt/sops",
      "/v1/transit/decrypt/sops",
    ]);
    expect(JSON.parse(server.seen[0]?.body ?? "")).toEqual({ role: "apps_reader", jwt });
    expect(server.seen[1]?.headers["x-vault-token"]).toBe("short-lived");
    answer = () => ({ json: { auth: null } });
    await expect(service({ login })(key)).rejects.toThrow(
      `Vault '${address}' returned no token for login at 'ns1/auth/jwt-prod/login' as role 'apps_reader'`,
    );
  });
});

describe("a Vault with a certificate of its own authority", () => {
  const authority = createCertificateAuthority("of the house");
  const { certificate, key: privateKey } = issueCertificate(authority, { names: ["127.0.0.1"] });
  const own = createServer({ cert: certificate, key: privateKey }, (_request, response) => {
    response.end(JSON.stringify(plain.json));
  });
  let vaultAddress: string;
  beforeAll(async () => {
    own.listen(0, "127.0.0.1");
    await once(own, "listening");
    const bound = own.address();
    vaultAddress = `https://127.0.0.1:${typeof bound === "object" ? bound?.port : 0}`;
  });
  afterAll(() => {
    own.closeAllConnections();
    own.close();
  });

  it("KS-104: is trusted where the operator has named the authority for its address", async () => {
    const login = (instances: unknown[]) => ({
      configMap: "flux-system/vault",
      instances: async () => parseVaultConfig({ "config.yaml": JSON.stringify({ instances }) }, "flux-system/vault"),
      requestToken: () => Promise.reject(new Error("the Secret's token comes first")),
    });
    const trusted = { address: vaultAddress, certificateAuthority: authority.certificate };
    const decrypt = (instances: unknown[]) =>
      vault({ token: "word", login: login(instances) })({ ...key, vaultAddress });
    expect(Buffer.from(await decrypt([trusted]))).toEqual(dataKey);
    await expect(decrypt([{ ...trusted, address: address }])).rejects.toThrow(
      "certificate signed by unknown authority",
    );
    await expect(decrypt(["no object"])).rejects.toThrow("certificate signed by unknown authority");
  });
});

describe("the configuration of Vault logins", () => {
  it("KS-104: names a login path for each address", () => {
    const text =
      "instances:\n- address: https://a.example\n  loginPath: auth/kubernetes/login\n- address: https://b.example\n";
    expect([...parseVaultConfig({ "config.yaml": text }, "flux-system/vault")]).toEqual([
      ["https://a.example", { loginPath: "auth/kubernetes/login" }],
      ["https://b.example", { loginPath: "" }],
    ]);
    expect([...parseVaultConfig({ "config.yaml": "" }, "flux-system/vault")]).toEqual([]);
  });

  it.each([
    [{}, "Vault ConfigMap 'flux-system/vault' is missing the 'config.yaml' key"],
    [{ "config.yaml": "instances: a" }, "failed to parse 'config.yaml' in Vault ConfigMap 'flux-system/vault'"],
    [{ "config.yaml": "instances: [a]" }, "instances[0] is not an object"],
    [{ "config.yaml": "[" }, "failed to parse 'config.yaml' in Vault ConfigMap 'flux-system/vault'"],
  ])("KS-104: is refused where it is none (%j)", (data, why) => {
    expect(() => parseVaultConfig(data, "flux-system/vault")).toThrow(why);
  });

  it("KS-096: a token of blanks alone is none", () => {
    expect(parseVaultEntry(" word\n\n")).toBe("word");
    expect(parseVaultEntry("\n")).toBeUndefined();
  });
});
