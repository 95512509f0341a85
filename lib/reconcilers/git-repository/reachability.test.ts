import { describe, expect, it } from "vitest";
import type { GitRepository } from "../../api/git-repository.ts";
import { reachabilityIsDue } from "./reachability.ts";

function looks(interval: string, minutes: number): number {
  const object: GitRepository = {
    apiVersion: "source.toolkit.fluxcd.io/v1",
    kind: "GitRepository",
    metadata: { name: "app", namespace: "default", uid: "9c1f5f0e-7c0b-4a57-8f0e-3f0a4f7a6a11" },
    spec: { url: "https://git.test/app.git", interval, ref: { commit: "ab".repeat(20) } },
  };
  let due = 0;
  for (let at = 0; at < 10 * 24 * 60; at += minutes) {
    if (reachabilityIsDue(object, new Date(Date.UTC(2026, 0, 1) + at * 60_000))) due++;
  }
  return due;
}

describe("a commit that is fetched already", () => {
  it("SB-004: is looked for at the server once a day, whatever the interval", () => {
    expect([looks("1m", 1), looks("10m", 10), looks("1h", 60)]).toEqual([10, 10, 10]);
    expect(looks("24h", 24 * 60)).toBe(10);
  });

  it("SB-004: is looked for when a user asks", () => {
    const metadata = { name: "app", annotations: { "reconcile.fluxcd.io/requestedAt": "now" } };
    const spec = { url: "https://git.test/app.git", interval: "1m" };
    const object = { apiVersion: "source.toolkit.fluxcd.io/v1", kind: "GitRepository" as const, metadata, spec };
    expect(reachabilityIsDue(object, new Date(0))).toBe(true);
  });
});
