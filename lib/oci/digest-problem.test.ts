import { describe, expect, it } from "vitest";
import { digestProblem } from "./digest-problem.ts";

describe("a digest that is none", () => {
  it.each([
    ["latest", 'cannot parse hash: "latest"'],
    ["sha256:", 'cannot parse hash: "sha256:"'],
    ["sha256:12", "wrong number of hex digits for sha256: 12"],
    ["sha256:1G", "found non-hex character in hash: G"],
    ["md5:12", 'unsupported hash: "md5"'],
  ])("OCI-008: %s is told of as go-containerregistry does", (digest, words) => {
    expect(digestProblem(digest)).toBe(words);
  });
});
