import { describe, expect, it } from "vitest";
import { childOf, graft, nodeAt, resolvePath } from "./graft.ts";
import { ignoreFiles } from "./ignore-files.ts";
import { addSubmodules } from "./submodules.ts";
import { formatTree } from "./tree.ts";
import { type Directory, layOut, type Node, type ObjectSource } from "./worktree.ts";

/** Objects by ids of any text. */
function objects(contents: Record<string, Buffer>): ObjectSource {
  const found = (id: string) => contents[id];
  return {
    stat: (id) => (found(id) === undefined ? undefined : { type: "blob", size: found(id)?.length ?? 0 }),
    read: (id) => ({ type: id.startsWith("tree") ? "tree" : "blob", content: found(id) ?? Buffer.alloc(0) }),
    stream: () => undefined,
  };
}

const directory = (name: string, children: Node[] = []): Directory => ({
  type: "directory",
  name: Buffer.from(name),
  children,
});
const leaf = (type: "file" | "symlink" | "submodule", name: string, id: string, from: ObjectSource): Node => ({
  ...{ type, name: Buffer.from(name), id, from },
});
const padded = (number: number) => String(number).padStart(6, "0");

/** How many milliseconds something takes. */
async function took(work: () => unknown): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

describe("a tree that is made to cost", () => {
  it("GE-011, GE-016, IGN-003: patterns that stand in each of its directories, or are too many, are refused", () => {
    const from = objects({
      large: Buffer.from("a\n".repeat(500_000)),
      many: Buffer.from("a\n".repeat(60_000)),
      one: Buffer.from("b"),
    });
    const everywhere = (id: string) =>
      directory(
        "",
        Array.from({ length: 60_000 }, (_, number) =>
          directory(padded(number), [leaf("file", ".sourceignore", id, from)]),
        ),
      );
    expect(() => ignoreFiles(everywhere("large"))).toThrow(/^there are more than 50000 patterns/);
    expect(() => ignoreFiles(everywhere("one"))).toThrow(/^there are more than 50000 patterns/);
    const comments = objects({ comments: Buffer.alloc(1_000_000, "#") });
    const silent = Array.from({ length: 100 }, (_, number) =>
      directory(padded(number), [leaf("file", ".sourceignore", "comments", comments)]),
    );
    expect(() => ignoreFiles(directory("", silent))).toThrow(/^the .sourceignore files .* more than 16777216 bytes$/);
    const error = (() => {
      try {
        return ignoreFiles(everywhere("many"));
      } catch (reason) {
        return reason;
      }
    })();
    expect(error).toMatchObject({ name: "GitError", code: "too-large" });
  });

  it("GIT-094, IGN-003: a link of more bytes than a path may have leads nowhere", () => {
    const from = objects({ link: Buffer.from("a/".repeat(20_000_000)) });
    const root = directory("", [leaf("symlink", ".sourceignore", "link", from)]);
    expect(ignoreFiles(root)).toEqual([]);
    expect(() => resolvePath(root, ".sourceignore/x")).toThrow("file name too long");
  });

  it("GE-011, GIT-090: a hundred thousand names in one directory are grafted and found in their order, at once", async () => {
    const from = objects({});
    const root = directory("");
    const early = Array.from({ length: 3_000 }, (_, number) => padded((number * 7_777) % 3_000));
    const names = [...early, ...Array.from({ length: 97_000 }, (_, number) => padded(3_000 + number))];
    const spent = await took(() => {
      for (const name of names) graft(root, ["d", name], leaf("file", "", "x", from));
      for (const name of names) if (nodeAt(root, ["d", name]) === undefined) throw new Error(`${name} is not there`);
    });
    expect(spent).toBeLessThan(3_000);
    const placed = childOf(root, Buffer.from("d"));
    const found = placed?.type === "directory" ? placed.children.map(({ name }) => name.toString()) : [];
    expect(found).toEqual(names.toSorted());
    expect(() => graft(root, ["d"], leaf("file", "", "x", from))).toThrow("file exists");
    graft(root, ["d", names[0] ?? ""], leaf("file", "", "other", from));
    expect(nodeAt(root, ["d", names[0] ?? ""])).toMatchObject({ id: "other" });
  });

  it("GIT-105, GIT-106: ten thousand submodules that lead nowhere are looked for at once", async () => {
    const text = Array.from({ length: 10_000 }, (_, n) => `[submodule "${n}"]\npath=${n}x\nurl=../${n}\n`).join("");
    const from = objects({ modules: Buffer.from(text) });
    const files = Array.from({ length: 100_000 }, (_, number) => leaf("file", padded(number), "x", from));
    const root = directory("", [leaf("file", ".gitmodules", "modules", from), ...files]);
    const none = async (): Promise<Directory> => Promise.reject(new Error("nothing is to be fetched"));
    expect(await took(() => addSubmodules(root, "https://git.test/a.git", none))).toBeLessThan(5_000);
  });

  it("GE-011: a tree object of more entries than a commit may have is refused before they are laid out", async () => {
    const entry = { type: "file", id: "00".repeat(20) } as const;
    const entries = Array.from({ length: 3_000 }, (_, number) => ({ ...entry, name: Buffer.from(padded(number)) }));
    const from = objects({ tree: formatTree(entries) });
    const limits = { files: 2_999, treeDepth: 10, path: 100, content: 1_000 };
    expect(() => layOut(from, "tree", limits)).toThrow("a tree has more than 2999 entries");
    expect(layOut(from, "tree", { ...limits, files: 3_000 }).children).toHaveLength(3_000);
  });
});
