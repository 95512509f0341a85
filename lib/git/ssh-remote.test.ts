import { describe, expect, it } from "vitest";
import { GitError } from "./git-error.ts";
import { parseSshUrl, uploadPackCommand } from "./ssh-remote.ts";

describe("SSH URLs", () => {
  it.each([
    ["ssh://git.test/app.git", { user: "git", host: "git.test", port: 22, path: "/app.git" }],
    ["ssh://jane@git.test:2222/a/b%20c", { user: "jane", host: "git.test", port: 2222, path: "/a/b c" }],
    ["ssh://jane:secret@git.test/~/app", { user: "jane", host: "git.test", port: 22, path: "/~/app" }],
    ["ssh://[2001:db8::1]:2222/app", { user: "git", host: "2001:db8::1", port: 2222, path: "/app" }],
  ])("GIT-057: %s", (url, address) => {
    expect(parseSshUrl(url)).toEqual(address);
  });

  it("GIT-057: what names no repository, or more than one line, is refused", () => {
    const long = `ssh://git.test/${"x".repeat(5000)}`;
    for (const url of [
      "ssh://git.test",
      "ssh://git.test/",
      "ssh:///app",
      "http://x/app",
      "ssh://h/a%0Ab",
      "ssh://a%0A@h/b",
      "ssh://h/%ff",
      long,
    ])
      expect(() => parseSshUrl(url)).toThrow(GitError);
  });

  it("GE-002: a path is one word to the server's shell", () => {
    expect(uploadPackCommand("/it's; echo 'x'!.git")).toBe("git-upload-pack '/it'\\''s; echo '\\''x'\\'''\\!'.git'");
    expect(uploadPackCommand("/~jane/app.git")).toBe("git-upload-pack '~jane/app.git'");
  });
});
