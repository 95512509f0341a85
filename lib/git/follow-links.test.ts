import { describe, expect, it } from "vitest";
import type { GitTree } from "./fetch-tree.ts";
import { followLinks } from "./follow-links.ts";

/** A tree of these files, each holding its own path, and links. */
function treeOf(paths: string[], links: Record<string, string>): GitTree {
  const directories = new Set([""]);
  for (const path of [...paths, ...Object.keys(links)]) {
    const segments = path.split("/").slice(0, -1);
    for (const index of segments.keys()) directories.add(segments.slice(0, index + 1).join("/"));
  }
  const files = new Map(paths.map((path) => [path, { content: Buffer.from(path), executable: false }]));
  return { files, directories, links: new Map(Object.entries(links)), submodules: new Map(), bytes: 0 };
}

function followed(paths: string[], links: Record<string, string>): Record<string, string> {
  const { files } = followLinks(treeOf(paths, links));
  return Object.fromEntries([...files].map(([path, { content }]) => [path, Buffer.from(content).toString()]));
}

describe("symbolic links of a repository", () => {
  it("stand for the file that they lead to, over others too", () => {
    expect(followed(["a/x"], { "b/y": "../a/x", z: "b/y", up: "a/../a/./x" })).toEqual({
      "a/x": "a/x",
      "b/y": "a/x",
      z: "a/x",
      up: "a/x",
    });
  });

  it("stand for a directory with all that is in it, and through it", () => {
    expect(followed(["a/x", "a/b/y"], { link: "a", "a/b/z": "../x", through: "link/b/y" })).toEqual({
      "a/x": "a/x",
      "a/b/y": "a/b/y",
      "a/b/z": "a/x",
      "link/x": "a/x",
      "link/b/y": "a/b/y",
      "link/b/z": "a/x",
      through: "a/b/y",
    });
    expect(followLinks(treeOf(["a/b/y"], { link: "a" })).directories).toContain("link/b");
  });

  it("are nothing where they lead out, nowhere or round", () => {
    const links = {
      absolute: "/etc/passwd",
      out: "../x",
      "a/out": "../../x",
      none: "nothing",
      self: "self",
      one: "two",
      two: "one",
      here: ".",
      "a/above": "..",
      "a/same": "../a",
    };
    expect(followed(["a/x"], links)).toEqual({ "a/x": "a/x" });
  });

  it("are refused where they multiply", () => {
    const levels = Array.from({ length: 30 }, (_, n) => n);
    const links = levels.flatMap((n): [string, string][] => [
      [`d${n}/a`, `../d${n + 1}`],
      [`d${n}/b`, `../d${n + 1}`],
    ]);
    const tree = treeOf(["d30/x"], Object.fromEntries(links));
    expect(() => followLinks(tree)).toThrow(/symbolic links stand for more than 50000 files and directories/);
  });
});
