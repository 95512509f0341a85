import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { hideSecrets, keepingSecrets, rememberSecret, rememberTokens, rememberUrl } from "./told-secrets.ts";

const canary = "c4n4ry+/=4711 x";
const data = (values: Record<string, string>) =>
  new Map(Object.entries(values).map(([key, value]) => [key, Buffer.from(value)]));
const base64 = (text: string) => Buffer.from(text).toString("base64");
const hiding = (remember: () => void, text: string) =>
  keepingSecrets(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    remember();
    return hideSecrets(text);
  });

describe("what was read of Secrets", () => {
  it.each(["password", "bearerToken", "identity", "clientSecret", "sasKey", "any"])(
    "SEC-012: is in no message, however a server repeats it: %s",
    async (key) => {
      const forms = [canary, encodeURIComponent(canary), base64(canary), base64(`bot:${canary}`)];
      const remember = () => rememberSecret(data({ username: "bot", [key]: canary }));
      expect(await hiding(remember, `no ${forms.join(" | ")} for bot`)).toMatch(
        /^no \*+ \| \*+ \| \*+ \| \*+=* for bot$/,
      );
    },
  );

  it("SEC-012: is known by its lines, by the fields of JSON, and by how it begins", async () => {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const [, line = ""] = pem.split("\n");
    const google = JSON.stringify({ type: "service_account", client_email: "a@b.test", private_key: pem });
    const docker = JSON.stringify({ auths: { "ghcr.io": { username: "bot", auth: base64(`bot:${canary}`) } } });
    for (const [key, text, secret] of [
      ["identity", pem, line],
      ["serviceaccount", google, line],
      [".dockerconfigjson", docker, base64(`bot:${canary}`)],
      ["password", "long enough to be cut off somewhere", "long enough to be cut"],
    ] as const)
      expect(await hiding(() => rememberSecret(data({ [key]: text })), `no ${secret} here`)).toMatch(
        /^no \*{5}.{0,6} here$/,
      );
  });

  it("SEC-012: are passwords and signatures of addresses, and tokens", async () => {
    const url = `https://bot:${encodeURIComponent(canary)}@git.test/a?sig=0123456789abcdef`;
    expect(await hiding(() => rememberUrl(url), `no ${canary}, ${url}`)).toBe(
      "no *****, https://bot:*****@git.test/a?sig=*****",
    );
    const proxy = () => rememberSecret(data({ address: url }));
    expect(await hiding(proxy, url)).toBe("https://bot:*****@git.test/a?sig=*****");
    const token = { token: canary, accessKeyId: "AKIDEXAMPLE", expiresAt: "2026-01-01T00:00:00Z" };
    expect(await hiding(() => rememberTokens(token), `AKIDEXAMPLE ${canary}`)).toBe("AKIDEXAMPLE *****");
    const made = `no Bearer eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxIn0.c2ln or Basic ${base64("some:body else")}; realm="x"`;
    expect(await hiding(() => undefined, made)).toBe('no Bearer ***** or Basic *****; realm="x"');
  });

  it("SEC-012: is hidden in the pass that read it alone, and what everybody may see is not", async () => {
    const certificate = "-----BEGIN CERTIFICATE-----\n0123456789012345678901234567890\n";
    const seen = {
      "ca.crt": certificate,
      known_hosts: "git.test ssh-ed25519 AAAA",
      username: "somebody",
      password: "short",
    };
    const text = `${Object.values(seen).join(" ")} ${canary}`;
    await Promise.all([
      hiding(() => rememberSecret(data({ password: canary })), canary).then((told) => expect(told).toBe("*****")),
      hiding(() => rememberSecret(data(seen)), text).then((told) => expect(told).toBe(text)),
    ]);
    rememberSecret(data({ password: canary }));
    expect(await hiding(() => undefined, canary)).toBe(canary);
  });
});
