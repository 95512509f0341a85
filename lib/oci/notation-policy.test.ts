import { describe, expect, it } from "vitest";
import { parseDistinguishedName } from "./distinguished-name.ts";
import { applicableStatement, parseTrustPolicy } from "./notation-policy.ts";

const statement = {
  name: "a",
  registryScopes: ["*"],
  signatureVerification: { level: "strict" },
  trustStores: ["ca:x"],
  trustedIdentities: ["*"],
};
const parse = (document: unknown) =>
  parseTrustPolicy(Buffer.from(typeof document === "string" ? document : JSON.stringify(document)), () => undefined);
const of = (...more: Record<string, unknown>[]) =>
  parse({ version: "1.0", trustPolicies: more.map((one) => ({ ...statement, ...one })) });

describe("a trust policy", () => {
  it.each([
    ["VER-016: {}", {}, "trust policy document has empty version, version must be specified"],
    [
      "VER-016: an empty version",
      { version: "" },
      "trust policy document has empty version, version must be specified",
    ],
    ["VER-012: another version", { version: "2.0" }, 'trust policy document uses unsupported version "2.0"'],
    ["VER-012: no statement", { version: "1.0" }, "trust policy document can not have zero trust policy statements"],
    ["VER-012: no JSON", "{", "error occurred while parsing trustpolicy.json: "],
    ["VER-012: no object", "[]", "error occurred while parsing trustpolicy.json: "],
    ["VER-012: another type", { version: "1.0", trustPolicies: {} }, "error occurred while parsing trustpolicy.json: "],
  ])("%s", (_, document, words) => {
    expect(() => parse(document)).toThrow(words);
  });

  it.each<[string, Record<string, unknown>[], string]>([
    ["without a name", [{ name: "" }], "a trust policy statement is missing a name"],
    ["of one name", [{}, { registryScopes: ["a/b"] }], 'multiple trust policy statements use the same name "a"'],
    ["without a level", [{ signatureVerification: {} }], "signature verification level is empty or missing"],
    ["of no level", [{ signatureVerification: { level: "x" } }], 'invalid signature verification level "x"'],
    [
      "of an inherited level",
      [{ signatureVerification: { level: "toString" } }],
      "invalid signature verification level",
    ],
    [
      "that overrides integrity",
      [{ signatureVerification: { level: "strict", override: { integrity: "log" } } }],
      '"integrity" verification can not be overridden',
    ],
    [
      "that skips what must not be",
      [{ signatureVerification: { level: "strict", override: { expiry: "skip" } } }],
      '"expiry" verification can not be skipped',
    ],
    [
      "that overrides what is not checked",
      [{ signatureVerification: { level: "audit", override: { x: "log" } } }],
      'verification type "x" in custom signature verification is not supported',
    ],
    [
      "that customizes skip",
      [{ signatureVerification: { level: "skip", override: { expiry: "log" } } }],
      `signature verification level "skip" can't be used`,
    ],
    ["without stores", [{ trustStores: [] }], "is either missing trust stores or trusted identities"],
    ["of a store without type", [{ trustStores: ["x"] }], 'has malformed trust store value "x"'],
    ["of a store of no type", [{ trustStores: ["x:y"] }], 'uses an unsupported trust store type "x"'],
    ["of a store with a path", [{ trustStores: ["ca:../y"] }], 'uses an unsupported trust store name "../y"'],
    ["of anybody and somebody", [{ trustedIdentities: ["*", "x509.subject:C=a"] }], "uses a wildcard trusted identity"],
    ["of an empty identity", [{ trustedIdentities: [""] }], "has an empty trusted identity"],
    ["of an identity without type", [{ trustedIdentities: ["x"] }], "missing separator"],
    ["of a subject without O", [{ trustedIdentities: ["x509.subject: C=US, ST=WA"] }], "no mandatory RDN attribute"],
    [
      "of subjects that overlap",
      [{ trustedIdentities: ["x509.subject: C=a, ST=b, O=c", "x509.subject: C=a, ST=b, O=c, CN=d"] }],
      "has overlapping x509 trustedIdentities",
    ],
    ["without scopes", [{ registryScopes: [] }], "has zero registry scopes"],
    ["of all scopes and one", [{ registryScopes: ["*", "a.io/b"] }], "uses wildcard registry scope '*'"],
    ["of a scope with a tag", [{ registryScopes: ["a.io/b:c"] }], "is not valid, make sure"],
    ["of a scope with a star", [{ registryScopes: ["a.io/*"] }], "with wild card(s) is not valid"],
    ["of a scope of another", [{}, { name: "b" }], 'registry scope "*" is present in multiple'],
  ])("VER-012: refuses a statement %s", (_, statements, words) => {
    expect(() => of(...statements)).toThrow(words);
  });

  it("VER-012: an exact scope comes before the one for all, which is the last resort", () => {
    const statements = of({}, { name: "b", registryScopes: ["a.io/b", "localhost:5000/c/d_e"] });
    expect(applicableStatement(statements, "a.io/b").name).toBe("b");
    expect(applicableStatement(statements, "localhost:5000/c/d_e").name).toBe("b");
    expect(applicableStatement(statements, "a.io/b/c").name).toBe("a");
    expect(() => applicableStatement(statements.slice(1), "a.io")).toThrow("has no applicable trust policy statement");
  });

  it.each([
    ["C=US,ST=WA,O=a", { C: "US", ST: "WA", O: "a" }],
    ["C = US , S=WA, O=a\\, b", { C: "US", ST: "WA", O: "a, b" }],
    ["CN=\\c3\\a9, O=x, ST=y, C=z", { CN: "é", O: "x", ST: "y", C: "z" }],
  ])("VER-012: reads the name %s", (text, attributes) => {
    expect(Object.fromEntries(parseDistinguishedName(text))).toEqual(attributes);
  });

  it.each([
    ["C=US+ST=WA,O=a", "multi-valued RDN"],
    ["C=US,C=UK,ST=WA,O=a", "duplicate RDN attribute"],
    ["C=#0401", 'containing "=#"'],
    ["", "failed"],
    ["C=US,,O=a", "failed"],
    [`C=${"\\".repeat(1_501)}`, "failed"],
    [`C=US${" ".repeat(1_900)}x,=`, "failed"],
    ["C=US,".repeat(10_000), "is longer than 2000 characters"],
  ])("VER-012: refuses the name %j", (text, words) => {
    const start = performance.now();
    expect(() => parseDistinguishedName(text)).toThrow(words);
    expect(performance.now() - start).toBeLessThan(500);
  });
});
