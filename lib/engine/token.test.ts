import { describe, expect, it } from "vitest";
import type { SecretReader } from "../platform/ports.ts";
import { admissionToken } from "./admission.ts";
import { artifactToken } from "./token.ts";

const seed = "a seed of this deployment";
const key = "home/gitrepository/apps/web/abc.tar.gz";
const secrets = (text: string | undefined): SecretReader => ({
  read: async (name) => (name === "admission-seed" ? text : undefined),
});

describe("the token of an artifact", () => {
  it("TM-004: is one key's and one deployment's, and stays the same", async () => {
    const token = await artifactToken(secrets(seed), key);
    expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(await artifactToken(secrets(`${seed}\n`), key)).toBe(token);
    expect(await artifactToken(secrets(seed), key.replace("abc", "abd"))).not.toBe(token);
    expect(await artifactToken(secrets("a seed of that deployment"), key)).not.toBe(token);
  });

  it("TM-004: is no token of an admission call", async () => {
    expect(await artifactToken(secrets(seed), "home")).not.toBe(admissionToken(seed, "home"));
  });

  it("cannot be made without a seed that is one", async () => {
    await expect(artifactToken(secrets(undefined), key)).rejects.toThrow("has no secret admission-seed");
    await expect(artifactToken(secrets("short\n"), key)).rejects.toThrow("anybody could guess it");
  });
});
