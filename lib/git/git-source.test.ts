import { describe, expect, it } from "vitest";
import { currentRevision, toldUrl } from "./git-source.ts";

describe("revisions and URLs", () => {
  it.each([
    ["main/0123", "main@sha1:0123"],
    ["feat/x/0123", "feat/x@sha1:0123"],
    ["HEAD/0123", "sha1:0123"],
    ["0123", "sha1:0123"],
    ["feat/x@sha1:0123", "feat/x@sha1:0123"],
    ["sha1:0123", "sha1:0123"],
  ])("GIT-044: %s is %s today", (old, current) => {
    expect(currentRevision(old)).toBe(current);
  });

  it.each([
    ["https://jane:secret@git.test/a.git?token=secret#secret", "https://git.test/a.git"],
    ["https://secret@git.test/a@b.git", "https://git.test/a@b.git"],
    ["https://jane:sec@ret@git.test/a.git", "https://git.test/a.git"],
    ["https://secret@[::1", "https://[::1"],
    ["http://git.test:8080/a", "http://git.test:8080/a"],
    ["ssh://git@git.test:2222/a@b.git", "ssh://git@git.test:2222/a@b.git"],
    ["ssh://git:secret@git.test/a.git", "ssh://git.test/a.git"],
  ])("SEC-012: %# is told without what lets a reader in", (url, told) => {
    expect(toldUrl(url)).toBe(told);
  });
});
