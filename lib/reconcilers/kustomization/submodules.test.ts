import { describe, expect, it } from "vitest";
import type { GitTree } from "../../git/fetch-tree.ts";
import { addSubmodules } from "./submodules.ts";

function treeOf(files: Record<string, string>, submodules: Record<string, string> = {}): GitTree {
  return {
    files: new Map(
      Object.entries(files).map(([path, text]) => [path, { content: Buffer.from(text), executable: false }]),
    ),
    directories: new Set(["", ...Object.keys(submodules)]),
    links: new Map(),
    submodules: new Map(Object.entries(submodules)),
    bytes: 1,
  };
}

const signal = AbortSignal.timeout(10_000);

describe("submodules", () => {
  it("KS-071: are found by their paths, whatever else .gitmodules says, and beside the repository where they say so", async () => {
    const modules = `# comment
[submodule "one"]
\tpath = lib/one
\tbranch = main
\turl = https://git.test/one.git
[core]
\turl = https://git.test/wrong.git
[submodule "two words"]
  url = "../two.git"
  path = two/
[submodule "three"]
\tpath = three
\turl = ./three
`;
    const asked: string[] = [];
    const tree = treeOf({ ".gitmodules": modules }, { "lib/one": "1", two: "2", three: "3" });
    await addSubmodules(
      tree,
      "https://git.test/org/repo.git",
      async (url, commit) => {
        asked.push(`${url} ${commit}`);
        return treeOf({ x: url });
      },
      signal,
    );
    expect(asked).toEqual([
      "https://git.test/one.git 1",
      "https://git.test/org/two.git 2",
      "https://git.test/org/repo.git/three 3",
    ]);
    expect([...tree.files.keys()].sort()).toEqual([".gitmodules", "lib/one/x", "three/x", "two/x"]);
    expect(tree.bytes).toBe(4);
  });

  it("KS-071: without an address fail, and so do those that never end", async () => {
    const nameless = treeOf({}, { lib: "1" });
    await expect(addSubmodules(nameless, "https://git.test/r", async () => treeOf({}), signal)).rejects.toThrow(
      "no url found for submodule path 'lib' in .gitmodules",
    );
    const endless = () =>
      treeOf({ ".gitmodules": '[submodule "x"]\n\tpath = x\n\turl = https://git.test/x\n' }, { x: "1" });
    await expect(addSubmodules(endless(), "https://git.test/r", async () => endless(), signal)).rejects.toThrow(
      /more than 50 submodules, or 5 in one another/,
    );
  });
});
