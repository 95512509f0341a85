import { createPrivateKey, X509Certificate } from "node:crypto";
import { createServer, get } from "node:https";
import { describe, expect, it } from "vitest";
import { createCertificateAuthority, issueCertificate } from "./certificate.ts";

async function answer(options: { names: string[]; host: string; trust?: string }): Promise<string> {
  const authority = createCertificateAuthority("test authority");
  const leaf = issueCertificate(authority, { names: options.names });
  const server = createServer({ key: leaf.key, cert: leaf.certificate }, (_request, response) => response.end("hello"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  try {
    return await new Promise((resolve, reject) => {
      get(
        {
          host: "127.0.0.1",
          port: address.port,
          servername: options.host,
          ca: options.trust ?? authority.certificate,
          agent: false,
        },
        (response) => {
          response.setEncoding("utf8");
          response.on("data", resolve);
        },
      ).on("error", reject);
    });
  } finally {
    server.close();
  }
}

describe("certificates of the local platform", () => {
  it("RFC 6125: a server is trusted under its DNS name by who trusts the authority", async () => {
    await expect(answer({ names: ["sluice.test", "127.0.0.1"], host: "sluice.test" })).resolves.toBe("hello");
  });

  it("RFC 6125: a server is trusted under its IP address", async () => {
    await expect(answer({ names: ["127.0.0.1", "::1"], host: "" })).resolves.toBe("hello");
  });

  it("RFC 6125: a name that was not asked for is refused", async () => {
    await expect(answer({ names: ["other.test"], host: "sluice.test" })).rejects.toThrow(/altnames|alternative names/i);
  });

  it("RFC 5280: another authority of the same name is not trusted", async () => {
    const other = createCertificateAuthority("test authority");
    await expect(answer({ names: ["sluice.test"], host: "sluice.test", trust: other.certificate })).rejects.toThrow();
  });

  it("RFC 5280: the authority may sign, the leaf may not, and key and certificate belong together", () => {
    const authority = createCertificateAuthority("test authority");
    const leaf = issueCertificate(authority, { names: [], commonName: "jane", organizations: ["a", "b"] });
    const [parent, child] = [new X509Certificate(authority.certificate), new X509Certificate(leaf.certificate)];
    expect([parent.ca, child.ca]).toEqual([true, false]);
    expect(child.checkIssued(parent) && child.verify(parent.publicKey)).toBe(true);
    expect(child.checkPrivateKey(createPrivateKey(leaf.key))).toBe(true);
    expect(child.subject).toBe("O=a\nO=b\nCN=jane");
  });

  it("RFC 5280: every form of an address is written as its octets", () => {
    const names = ["10.0.0.1", "::1", "2001:db8::ff00:42:8329", "::ffff:192.0.2.1", "fe80::"];
    const leaf = new X509Certificate(issueCertificate(createCertificateAuthority("a"), { names }).certificate);
    for (const name of names) expect(leaf.checkIP(name), name).toBe(name);
  });

  it("RFC 5280: a certificate without any name is refused", () => {
    const authority = createCertificateAuthority("test authority");
    expect(() => issueCertificate(authority, { names: [] })).toThrow("needs at least one name");
  });
});
