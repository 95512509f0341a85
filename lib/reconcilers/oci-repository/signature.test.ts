import { describe, expect, it } from "vitest";
import type { Condition } from "../../api/condition.ts";
import type { OCIRepository, OCIRepositorySpec, OCIRepositoryStatus } from "../../api/oci-repository.ts";
import { editConditions } from "../condition-editor.ts";
import { checkSignature, forgetFailedCheck } from "./signature.ts";
import type { Verification } from "./verification.ts";

const time = "2026-01-02T03:04:05Z";
const [old, revision] = ["v1@sha256:0", "v1@sha256:1"];

function passOf(
  verify: OCIRepositorySpec["verify"],
  { stored = revision, known, generation = 2 }: { stored?: string; known?: "True" | "False"; generation?: number } = {},
) {
  const condition: Condition = {
    ...{ type: "SourceVerified", status: known ?? "True", reason: "Succeeded", message: "before" },
    ...{ lastTransitionTime: time, observedGeneration: generation },
  };
  const artifact = { digest: "sha256:2", path: "p", url: "http://a/p", revision: stored, lastUpdateTime: time };
  const status: OCIRepositoryStatus = { artifact, conditions: known === undefined ? [] : [condition] };
  const object: OCIRepository = {
    ...{ apiVersion: "source.toolkit.fluxcd.io/v1", kind: "OCIRepository" as const },
    metadata: { name: "a", namespace: "b", generation: 2 },
    spec: { url: "oci://a/b", interval: "1h", ...(verify === undefined ? {} : { verify }) },
    status,
  };
  return { object, status, conditions: editConditions(object, () => new Date(time)) };
}

const withKey = { provider: "cosign", secretRef: { name: "keys" } } as const;

/** How often the check was made in an attempt like a reconciler's. */
async function attempt(pass: ReturnType<typeof passOf>, answer: Verification | Error = "verified"): Promise<number> {
  let checks = 0;
  forgetFailedCheck(pass);
  await checkSignature(pass, revision, async () => {
    checks++;
    if (answer instanceof Error) throw answer;
    return answer;
  });
  return checks;
}

describe("the signature of an artifact", () => {
  it("VER-001: is checked for another revision, another generation and after a failure, and else left as it was", async () => {
    expect(await attempt(passOf(withKey))).toBe(1);
    expect(await attempt(passOf(withKey, { known: "True", stored: old }))).toBe(1);
    expect(await attempt(passOf(withKey, { known: "True", generation: 1 }))).toBe(1);
    expect(await attempt(passOf(withKey, { known: "False" }))).toBe(1);
    const same = passOf(withKey, { known: "True" });
    expect(await attempt(same)).toBe(0);
    expect(same.conditions.get("SourceVerified")?.message).toBe("before");
  });

  it("VER-002, VER-014: is told where it is authentic, and not where a policy only lets it pass", async () => {
    const pass = passOf(withKey);
    await attempt(pass);
    expect(pass.conditions.get("SourceVerified")).toMatchObject({
      ...{ status: "True", reason: "Succeeded", message: `verified signature of revision ${revision}` },
      observedGeneration: 2,
    });
    const passed = passOf(withKey);
    await attempt(passed, "not-recorded");
    expect(passed.conditions.get("SourceVerified")).toBeUndefined();
  });

  it.each([
    [withKey, "cosign"],
    [{ provider: "cosign" } as const, "cosign keyless"],
    [{ provider: "notation" } as const, "notation"],
  ])("VER-003: ends the attempt where it is none, and is tried again: %j", async (verify, provider) => {
    await expect(attempt(passOf(verify, { stored: old }), new Error("no"))).rejects.toMatchObject({
      ...{ condition: "SourceVerified", reason: "VerificationError", terminal: false },
      message: `failed to verify the signature using provider '${provider}': no`,
    });
  });

  it("VER-004: is no longer spoken of where nobody wants it checked", async () => {
    const pass = passOf(undefined, { known: "True" });
    expect(await attempt(pass)).toBe(0);
    expect(pass.conditions.get("SourceVerified")).toBeUndefined();
  });
});
