import { gzipSync } from "node:zlib";
import { type Header, pack } from "tar-stream";
import { describe, expect, it } from "vitest";
import { InvalidArtifact, openArtifact, PathNotFound, selectPath } from "./artifact.ts";
import { artifactOf } from "./testdata/artifact-of.ts";

async function tarGz(entries: (Partial<Header> & { name: string; content?: string | Buffer })[]): Promise<Buffer> {
  const archive = pack();
  for (const { content, ...header } of entries) archive.entry(header, content ?? "");
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(Buffer.from(chunk as Uint8Array));
  return gzipSync(Buffer.concat(chunks));
}

const text = (content: Uint8Array | undefined) => Buffer.from(content ?? []).toString();

describe("opening an artifact", () => {
  it("holds files and directories by clean paths", async () => {
    const long = `${"deep/".repeat(40)}file.yaml`;
    const artifact = await openArtifact(
      await tarGz([
        { name: "./a/b.yaml", content: "one" },
        { name: "a/run.sh", mode: 0o755, content: "#!" },
        { name: "empty/", type: "directory" },
        { name: long, content: "long" },
        { name: "none.yaml", content: "" },
      ]),
    );
    expect(text(artifact.files.get("a/b.yaml")?.content)).toBe("one");
    expect(artifact.files.get("a/b.yaml")?.executable).toBe(false);
    expect(artifact.files.get("a/run.sh")?.executable).toBe(true);
    expect(text(artifact.files.get(long)?.content)).toBe("long");
    expect(artifact.files.get("none.yaml")?.content.length).toBe(0);
    expect([...artifact.directories]).toEqual(expect.arrayContaining(["", "a", "empty", "deep/deep"]));
  });

  it("KS-027: leaves symbolic links, hard links and devices out", async () => {
    const artifact = await openArtifact(
      await tarGz([
        { name: "passwd", type: "symlink", linkname: "/etc/passwd" },
        { name: "out", type: "symlink", linkname: "../.." },
        { name: "hard", type: "link", linkname: "/etc/passwd" },
        { name: "device", type: "character-device", devmajor: 1, devminor: 5 },
        { name: "kept.yaml", content: "x" },
      ]),
    );
    expect([...artifact.files.keys()]).toEqual(["kept.yaml"]);
    expect([...artifact.directories]).toEqual([""]);
  });

  it.each(["../evil", "a/../../evil", "/etc/evil", "a\\..\\evil"])("refuses the name %s", async (name) => {
    await expect(openArtifact(await tarGz([{ name, content: "x" }]))).rejects.toThrow(
      /artifact holds an entry with an invalid name/,
    );
  });

  it("refuses a file below a file", async () => {
    const entries = [
      { name: "a", content: "x" },
      { name: "a/b", content: "y" },
    ];
    await expect(openArtifact(await tarGz(entries))).rejects.toThrow(/both as a file and a directory/);
    await expect(openArtifact(await tarGz(entries.reverse()))).rejects.toThrow(/both as a file and a directory/);
  });

  it("refuses what unpacks to more than the limit, before it is in memory", async () => {
    const bomb = await tarGz([{ name: "zeros", content: Buffer.alloc(20_000_000) }]);
    expect(bomb.length).toBeLessThan(100_000);
    await expect(openArtifact(bomb, { bytes: 1_000_000 })).rejects.toThrow(
      new InvalidArtifact("artifact is larger than the limit of 1000000 bytes once unpacked"),
    );
    expect((await openArtifact(bomb)).files.get("zeros")?.content.length).toBe(20_000_000);
  });

  it("unpacks the same archive once, and keeps no failure", async () => {
    const archive = await tarGz([{ name: "same.yaml", content: "same" }]);
    const [first, second] = await Promise.all([openArtifact(archive), openArtifact(Buffer.from(archive))]);
    expect(second).toBe(first);
    await expect(openArtifact(archive, { bytes: 10 })).rejects.toThrow(InvalidArtifact);
    await expect(openArtifact(archive, { bytes: 10 })).rejects.toThrow(InvalidArtifact);
  });

  it("refuses more entries than the limit", async () => {
    const many = await tarGz(Array.from({ length: 20 }, (_, index) => ({ name: `d${index}/`, type: "directory" })));
    await expect(openArtifact(many, { entries: 10 })).rejects.toThrow(
      /more than the limit of 10 files and directories/,
    );
  });

  it("refuses what is no archive, and one that was cut off", async () => {
    await expect(openArtifact(Buffer.from("<html>"))).rejects.toThrow(InvalidArtifact);
    const whole = await tarGz([{ name: "a", content: Buffer.alloc(100_000, "abcdefg") }]);
    await expect(openArtifact(whole.subarray(0, whole.length / 2))).rejects.toThrow(InvalidArtifact);
    await expect(openArtifact(gzipSync(Buffer.alloc(2000, "no tar")))).rejects.toThrow(InvalidArtifact);
    const headless = gzipSync(Buffer.alloc(0));
    expect((await openArtifact(headless)).files.size).toBe(0);
  });
});

describe("KS-028: spec.path", () => {
  const artifact = artifactOf({ "etc/a.yaml": "", "clusters/prod/b.yaml": "" });

  it.each([
    [undefined, ""],
    ["", ""],
    [".", ""],
    ["./", ""],
    ["/", ""],
    ["./clusters/prod/", "clusters/prod"],
    ["/clusters//prod", "clusters/prod"],
    ["clusters/../etc", "etc"],
    ["../../etc", "etc"],
  ])("%s means %j", (path, directory) => expect(selectPath(artifact, path)).toBe(directory));

  it.each(["./nope", "../../root", "etcetera"])("%s is not found", (path) => {
    expect(() => selectPath(artifact, path)).toThrow(PathNotFound);
    expect(() => selectPath(artifact, path)).toThrow(
      /^kustomization path not found: stat .*: no such file or directory$/,
    );
  });
});
