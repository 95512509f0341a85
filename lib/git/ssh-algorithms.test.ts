import { describe, expect, it } from "vitest";
import { hostKeyAlgorithms, kexAlgorithms } from "./ssh-algorithms.ts";

describe("SSH algorithms", () => {
  it("GIT-060: follow the known keys, RSA with SHA-2 first, and what is configured goes before them", () => {
    expect(hostKeyAlgorithms([], ["ssh-rsa"])).toEqual(["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"]);
    expect(hostKeyAlgorithms(undefined, ["ecdsa-sha2-nistp256", "ssh-ed25519"])).toEqual([
      "ecdsa-sha2-nistp256",
      "ssh-ed25519",
    ]);
    expect(hostKeyAlgorithms(["ssh-ed25519", "x"], ["ssh-rsa"])).toEqual(["ssh-ed25519"]);
    expect(() => hostKeyAlgorithms(undefined, ["sk-ssh-ed25519@openssh.com"])).toThrow(
      /no supported algorithm for host key/,
    );
    expect(kexAlgorithms(["x", "curve25519-sha256"])).toEqual(["curve25519-sha256"]);
    expect(kexAlgorithms([])).toBeUndefined();
  });
});
