import { describe, expect, it } from "vitest";
import { wrongDigest } from "./artifact-digest.ts";

const bytes = Buffer.from("abc");

describe("the digest of an artifact", () => {
  // FIPS 180-4's examples, and that of `b3sum`.
  it.each([
    "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "sha384:cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
    "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    "blake3:6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
  ])("KS-026: is checked with every algorithm of Flux: %s", async (digest) => {
    expect(await wrongDigest(bytes, digest)).toBeUndefined();
    expect(await wrongDigest(Buffer.from("abd"), digest)).toBe(`computed digest doesn't match provided '${digest}'`);
  });

  it("KS-026: of another algorithm is refused", async () => {
    expect(await wrongDigest(bytes, "md5:900150983cd24fb0d6963f7d28e17f72")).toBe(
      "digest algorithm 'md5' is not available",
    );
    expect(await wrongDigest(bytes, "")).toBe("computed digest doesn't match provided ''");
  });
});
