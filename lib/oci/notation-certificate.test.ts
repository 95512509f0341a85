import { X509Certificate } from "node:crypto";
import { describe, expect, it } from "vitest";
import { makeIdentity } from "../../test/bed/notation/certificate.ts";
import { checkChain, parseCertificate } from "./notation-certificate.ts";

const root = makeIdentity({ commonName: "root", authority: {} });
const middle = makeIdentity({ commonName: "middle", issuer: root, authority: { pathLength: 0 } });
const check = (...chain: { certificate: string }[]) =>
  checkChain(chain.map(({ certificate }) => parseCertificate(new X509Certificate(certificate).raw)));

describe("a chain of certificates", () => {
  it("VER-012: takes a chain to its root, and one that stands for itself", () => {
    const leaf = makeIdentity({ commonName: "dev", issuer: middle, purposes: ["1.3.6.1.5.5.7.3.3"] });
    check(leaf, middle, root);
    check(makeIdentity({ commonName: "dev", issuer: root }), root);
    check(makeIdentity({ commonName: "alone" }));
  });

  it("VER-012: refuses chains that are none", () => {
    const leaf = makeIdentity({ commonName: "dev", issuer: middle });
    const forged = makeIdentity({ commonName: "dev", issuer: { ...makeIdentity({ commonName: "middle" }) } });
    const below = makeIdentity({ commonName: "below", issuer: middle, authority: {} });
    expect(() => check()).toThrow("must contain at least one certificate");
    expect(() => check(leaf)).toThrow("invalid self-signed certificate");
    expect(() => check(leaf, middle)).toThrow("is not self-signed");
    expect(() => check(leaf, root)).toThrow("is not issued by");
    expect(() => check(forged, middle, root)).toThrow("is not issued by");
    expect(() => check(leaf, middle, root, root)).toThrow("is self-signed. Certificate chain must not contain");
    expect(() => check(makeIdentity({ commonName: "dev", issuer: below }), below, middle, root)).toThrow(
      "expected path length of 1 but certificate has path length 0 instead",
    );
    expect(() => check(makeIdentity({ commonName: "dev", issuer: leaf }), leaf, middle, root)).toThrow(
      "ca field in basic constraints must be present, critical, and set to true",
    );
  });

  it.each([
    ["may sign certificates", { authority: {} }, "the ca field must be set to false"],
    ["does not say what it is for", { keyUsage: undefined }, "key usage extension must be present"],
    ["may not sign", { keyUsage: 0x20 }, 'bit positions for "Digital Signature" set'],
    ["may do more than sign", { keyUsage: 0xa0 }, 'but found "KeyEncipherment"'],
    ["is of a server", { purposes: ["1.3.6.1.5.5.7.3.1"] }, "must not contain ServerAuth eku"],
    ["is of a timestamping authority", { purposes: ["1.3.6.1.5.5.7.3.8"] }, "must not contain Timestamping eku"],
  ])("VER-012: refuses a certificate that %s", (_, wish, words) => {
    expect(() => check(makeIdentity({ commonName: "dev", issuer: middle, ...wish }), middle, root)).toThrow(words);
  });

  it("VER-012: refuses an authority that may not issue", () => {
    const bad = makeIdentity({ commonName: "bad", issuer: root, authority: {}, keyUsage: 0x80 });
    expect(() => check(makeIdentity({ commonName: "dev", issuer: bad }), bad, root)).toThrow("key cert sign set");
  });

  it("VER-012: reads nothing that is no certificate", () => {
    for (const bytes of [Buffer.alloc(0), Buffer.from("3080"), Buffer.alloc(10_000, 0x30)])
      expect(() => parseCertificate(bytes)).toThrow("malformed certificate");
  });
});
