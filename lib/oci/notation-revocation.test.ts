import { X509Certificate } from "node:crypto";
import { describe, expect, it } from "vitest";
import { listAt, makeIdentity, makeRevocationList } from "../../test/bed/notation/certificate.ts";
import { parseCertificate } from "./notation-certificate.ts";
import { checkRevocation, isListed } from "./notation-revocation.ts";

const read = ({ certificate }: { certificate: string }) => parseCertificate(new X509Certificate(certificate).raw);
const root = makeIdentity({ commonName: "root", authority: {} });
const leaf = makeIdentity({ commonName: "dev", issuer: root, more: [listAt("http://lists.test/a.crl")] });
const sibling = makeIdentity({ commonName: "ops", issuer: root });
const isOn = (list: Buffer, issuer = root, now = Date.now()) => isListed(read(leaf), list, read(issuer), now);

describe("a list of revoked certificates", () => {
  it("VER-014: has the certificates that it has", () => {
    expect(isOn(makeRevocationList(root, []))).toBe(false);
    expect(isOn(makeRevocationList(root, [sibling]))).toBe(false);
    expect(isOn(makeRevocationList(root, [sibling, leaf]))).toBe(true);
    expect(isOn(makeRevocationList(root, [leaf], { more: [["2.5.29.28", Buffer.from("3000", "hex")]] }))).toBe(true);
    expect(read(leaf).revocationLists).toEqual(["http://lists.test/a.crl"]);
  });

  it("VER-014: is of its issuer, and of now", () => {
    const namesake = makeIdentity({ commonName: "root", authority: {} });
    const other = makeIdentity({ commonName: "other", authority: {} });
    const mute = makeIdentity({ commonName: "root", authority: {}, keyUsage: 0x04 });
    const list = makeRevocationList(root, []);
    expect(() => isOn(list, other)).toThrow("it is of another issuer");
    expect(() => isOn(list, namesake)).toThrow("its signature is not of its issuer");
    expect(() => isOn(makeRevocationList(mute, []), mute)).toThrow("its issuer may not issue lists");
    expect(() => isOn(makeRevocationList(root, [], { days: { from: -2, to: -1 } }))).toThrow("it is out of date");
    expect(() => isOn(makeRevocationList(root, [], { days: { from: -2 } }))).toThrow("it is out of date");
    expect(() => isOn(makeRevocationList(root, [], { days: { from: 1, to: 2 } }))).toThrow("it is not of use yet");
    const delta = makeRevocationList(root, [], { more: [["2.5.29.27", Buffer.from("020101", "hex")]] });
    expect(() => isOn(delta)).toThrow("a critical extension that is not supported: 2.5.29.27");
  });

  it("VER-014: is nothing that was changed, or is no list", () => {
    const list = makeRevocationList(root, [leaf]);
    for (let at = 0; at < list.length; at++) {
      const changed = Buffer.from(list);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(() => isOn(changed)).toThrow();
    }
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(1000, 0x30), list.subarray(0, -1)])
      expect(() => isOn(bytes)).toThrow();
  });

  it("VER-014: is not asked for elsewhere than at a web server, and of certificates that name nobody", async () => {
    const told: string[] = [];
    const of = (address: string) => {
      const certificate = makeIdentity({ commonName: "dev", issuer: root, more: [listAt(address)] });
      return checkRevocation([read(certificate), read(root)], Date.now(), AbortSignal.timeout(5_000), (words) => {
        told.push(words);
      });
    };
    await checkRevocation([read(sibling), read(root)], Date.now(), AbortSignal.timeout(5_000), () => {});
    for (const address of ["file:///etc/passwd", "ldap://lists.test/a", "x", "http://169.254.169.254/latest"])
      await expect(of(address)).rejects.toThrow("revocation status is unknown");
    expect(told.filter((words) => words.includes("it is not at an address of HTTP"))).toHaveLength(3);
  });
});
