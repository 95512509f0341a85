import { X509Certificate } from "node:crypto";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { hostCertificate } from "./certificate.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-tls-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe("the host's certificate", () => {
  it("keeps its authority over a restart, and is issued for every name it is reached by", async () => {
    const first = await hostCertificate(join(directory, "tls"), ["0.0.0.0"]);
    const second = await hostCertificate(join(directory, "tls"), ["192.0.2.1", "sluice.example"]);
    expect(second.authority).toBe(first.authority);
    const certificate = new X509Certificate(second.certificate);
    expect(certificate.verify(new X509Certificate(first.authority).publicKey)).toBe(true);
    for (const address of ["127.0.0.1", "192.0.2.1"]) expect(certificate.checkIP(address)).toBe(address);
    for (const name of ["localhost", "sluice.example"]) expect(certificate.checkHost(name)).toBe(name);
    expect((await stat(join(directory, "tls/ca.key"))).mode & 0o077).toBe(0);
  });
});
