import { describe, expect, it } from "vitest";
import { createCertificateAuthority, issueCertificate } from "../../platform/local/certificate.ts";
import { tlsFromSecret } from "./tls-secret.ts";

const authority = createCertificateAuthority("authority");
const other = createCertificateAuthority("other");
const client = issueCertificate(authority, { names: ["client"] });
const stranger = issueCertificate(authority, { names: ["stranger"] });

const warned: unknown[] = [];
const log = { warn: (_message: string, fields?: Record<string, unknown>) => void warned.push(fields) };
const read = (data: Record<string, string>) => {
  warned.length = 0;
  return tlsFromSecret("ns/tls", new Map(Object.entries(data).map(([key, value]) => [key, Buffer.from(value)])), log);
};

describe("the certificates of a Secret", () => {
  it("SEC-001: are an authority, a pair, or both", () => {
    expect(read({ "ca.crt": `# a comment\n${authority.certificate}` })).toEqual({
      certificateAuthority: authority.certificate,
    });
    const pair = { "tls.crt": client.certificate, "tls.key": client.key };
    expect(read(pair)).toEqual({ certificate: client.certificate, key: client.key });
    expect(Object.keys(read({ ...pair, "ca.crt": authority.certificate })).sort()).toEqual([
      "certificate",
      "certificateAuthority",
      "key",
    ]);
    expect(warned).toEqual([]);
  });

  it("SEC-002: may have the old keys, which the standard ones win over", () => {
    expect(read({ certFile: client.certificate, keyFile: client.key, caFile: authority.certificate })).toEqual({
      certificate: client.certificate,
      key: client.key,
      certificateAuthority: authority.certificate,
    });
    expect(warned).toContainEqual({ secret: "ns/tls", key: "caFile", preferred: "ca.crt" });
    expect(warned.length).toBe(3);
    expect(read({ "ca.crt": authority.certificate, caFile: other.certificate })).toEqual({
      certificateAuthority: authority.certificate,
    });
    expect(warned).toEqual([]);
  });

  const parse = "failed to parse TLS certificate and key";
  it.each<[Record<string, string>, string]>([
    [{ "tls.crt": client.certificate }, "secret 'ns/tls' contains 'tls.crt' but missing 'tls.key'"],
    [{ certFile: client.certificate }, "secret 'ns/tls' contains 'tls.crt' but missing 'tls.key'"],
    [{ "tls.key": client.key }, "secret 'ns/tls' contains 'tls.key' but missing 'tls.crt'"],
    [{}, "secret 'ns/tls' must contain either 'ca.crt' or both 'tls.crt' and 'tls.key'"],
    [{ "ca.crt": "" }, "secret 'ns/tls' must contain either 'ca.crt' or both 'tls.crt' and 'tls.key'"],
    [{ "ca.crt": "canary" }, "failed to parse CA certificate"],
    [{ "ca.crt": client.key }, "failed to parse CA certificate"],
    [{ "tls.crt": "canary", "tls.key": client.key }, `${parse}: tls: failed to find any PEM data in certificate input`],
    [{ "tls.crt": client.certificate, "tls.key": "canary" }, `${parse}: tls: failed to find any PEM data in key input`],
    [
      { "tls.crt": client.key, "tls.key": client.key },
      `${parse}: tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: [PRIVATE KEY]`,
    ],
    [
      { "tls.crt": client.certificate, "tls.key": client.certificate },
      `${parse}: tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the following types: [CERTIFICATE]`,
    ],
    [
      { "tls.crt": client.certificate, "tls.key": stranger.key },
      `${parse}: tls: private key does not match public key`,
    ],
    [
      {
        "tls.crt": client.certificate,
        "tls.key": "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----\n",
      },
      `${parse}: tls: failed to parse private key`,
    ],
  ])("SEC-001, SEC-012: that cannot be used are told in Flux's words, without values (%#)", (data, words) => {
    expect(() => read(data)).toThrow(expect.objectContaining({ name: "SecretError", message: words }));
  });
});
