import { describe, expect, it } from "vitest";
import { ignoreRules, isIgnored, parseSourceIgnore } from "./source-ignore.ts";

const ignored = (text: string, path: string, isDirectory = false): boolean =>
  isIgnored(ignoreRules(parseSourceIgnore(text, [])), path.split("/"), isDirectory);

describe("source ignore", () => {
  it.each([
    ...[".gitignore", "a/.gitmodules", ".gitattributes", ".git/config", "a/.git/HEAD"],
    ...["a.jpg", "b/c.jpeg", "x.gif", "x.png", "x.wmv", "x.flv", "x.tar.gz", "x.zip"],
    ...[".github/x", ".circleci/y", ".travis.yml", ".gitlab-ci.yml", "appveyor.yml", ".drone.yml", "cloudbuild.yaml"],
    ...["codeship-services.yml", "codeship-steps.yml", "a/.goreleaser.yml", ".sops.yaml", "b/c/.flux.yaml"],
  ])("IGN-001: %s is left out by default", (path) => {
    expect(ignored("", path)).toBe(true);
    expect(ignored("# a comment\n   \n", path)).toBe(true);
  });

  it("IGN-001: what is near the defaults is kept", () => {
    for (const path of ["a.JPG", ".github", ".gitkeep", ".git", "png", "x.tar", ".sourceignore", "sops.yaml"]) {
      expect(ignored("", path)).toBe(false);
    }
  });

  it("IGN-002: one pattern replaces all defaults but Git's own", () => {
    expect(ignored("foo", "logo.png")).toBe(false);
    expect(ignored("foo", ".github/x")).toBe(false);
    expect(ignored("foo", ".git/config")).toBe(true);
    expect(ignored("!.gitignore", ".gitignore")).toBe(false);
  });

  it("IGN-003, IGN-007: the last match decides, also below a directory that is left out", () => {
    const text = "/*\n!/deploy\n/deploy/**/*.md\n";
    expect(ignored(text, "other/x")).toBe(true);
    expect(ignored(text, "deploy", true)).toBe(false);
    expect(ignored(text, "deploy/a/x.yaml")).toBe(false);
    expect(ignored(text, "deploy/a/README.md")).toBe(true);
  });

  it("IGN-005: lines are read as Go's scanner reads them", () => {
    expect(parseSourceIgnore("a\r\n#b\n\n \nc", [])).toHaveLength(2);
    expect(ignored("a\r\n", "a")).toBe(true);
    expect(ignored(" #a", " #a")).toBe(true);
    expect(parseSourceIgnore(`a\n${"x".repeat(65_536)}\nb`, [])).toHaveLength(1);
  });
});
