import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { describe, expect, it } from "vitest";
import { readArchive } from "../../platform/archive/read-tar.ts";
import { openSpool, type Spool } from "../../platform/spool.ts";
import { archiveLayer } from "./layer.ts";

type Made = Parameters<ReturnType<typeof pack>["entry"]>[0] & { content?: string | Buffer };

function spoolOf(bytes: Buffer): Spool {
  const spool = openSpool();
  spool.write(bytes);
  return spool;
}

async function tarOf(entries: Made[]): Promise<Buffer> {
  const tar = pack();
  for (const { content = "", ...header } of entries) tar.entry(header, content);
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) if (chunk instanceof Uint8Array) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

async function archived(entries: Made[], ignore?: string): Promise<Record<string, string | number>> {
  const signal = AbortSignal.timeout(60_000);
  const { spool } = await archiveLayer(spoolOf(gzipSync(await tarOf(entries), { level: 1 })), ignore, signal);
  const limits = { total: 2 ** 40, file: 2 ** 40, entries: 1e6 };
  const found: Record<string, string | number> = {};
  for await (const entry of readArchive(spool.stream(), limits, signal)) {
    const { path } = entry;
    if (entry.type !== "file") found[path] = entry.type;
    else
      found[path] =
        entry.content.length > 100 ? entry.content.length : `${entry.executable ? "x" : ""}${entry.content}`;
  }
  spool.close();
  return found;
}

describe("the layer of an artifact", () => {
  it("OCI-010, ART-006, ART-008: keeps files, the later of two, and directories also where they are empty; links are left out", async () => {
    expect(
      await archived([
        { name: "./", type: "directory" },
        { name: "./empty", type: "directory" },
        { name: "./run.sh", mode: 0o755, content: "old" },
        { name: "run.sh", mode: 0o755, content: "new" },
        { name: "b/a", content: "1" },
        { name: "soft", type: "symlink", linkname: "../../etc/passwd" },
        { name: "hard", type: "link", linkname: "run.sh" },
        { name: `${"long/".repeat(40)}name`, content: "2" },
      ]),
    ).toMatchObject({ empty: "directory", "run.sh": "xnew", "b/a": "1", [`${"long/".repeat(40)}name`]: "2" });
  });

  it("IGN-001, IGN-003, IGN-004, IGN-007, IGN-008: rules of the layer's own files, below the object's", async () => {
    const files = [
      "deploy/a.yaml",
      "deploy/a.md",
      "deploy/sub/b.yaml",
      "docs/c.md",
      "z.yaml",
      "logo.png",
      ".git/config",
    ];
    const entries = files.map((name) => ({ name, content: "1" }));
    expect(Object.keys(await archived(entries))).toEqual([
      "deploy",
      "deploy/a.md",
      "deploy/a.yaml",
      "deploy/sub",
      "deploy/sub/b.yaml",
      "docs",
      "docs/c.md",
      "z.yaml",
    ]);
    const own = [
      { name: "deploy/.sourceignore", content: "!/sub\n!b.yaml\n" },
      { name: ".sourceignore", content: "*.yaml\n" },
      { name: ".git/.sourceignore", content: "!*\n" },
    ];
    const kept = await archived([...own, ...entries], "/docs\n*.md\n");
    expect(Object.keys(kept)).toEqual([
      ".sourceignore",
      "deploy",
      "deploy/.sourceignore",
      "deploy/sub",
      "deploy/sub/b.yaml",
      "logo.png",
    ]);
  });

  it("OCI-010: one of 300 MB is unpacked without being in memory", async () => {
    const content = Buffer.alloc(300 * 1024 * 1024, "0123456789abcdef");
    const layer = spoolOf(gzipSync(await tarOf([{ name: "large.bin", content }]), { level: 1 }));
    content.fill(0);
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }, 20);
    const { spool } = await archiveLayer(layer, undefined, AbortSignal.timeout(60_000));
    clearInterval(watch);
    expect(spool.size).toBeGreaterThan(100_000);
    expect(most).toBeLessThan(200 * 1024 * 1024);
    spool.close();
  });

  it("OCI-010, ART-020: what is no gzip, no tar, or hostile is refused", async () => {
    const refused = (bytes: Buffer) =>
      archiveLayer(spoolOf(bytes), undefined, AbortSignal.timeout(20_000)).then(
        () => "",
        (error: unknown) => String(error),
      );
    const tar = await tarOf([{ name: "a", content: Buffer.alloc(10_000, "x") }]);
    expect(await refused(tar)).toBe("Error: requires gzip-compressed body: gzip: invalid header");
    expect(await refused(Buffer.alloc(0))).toBe("Error: requires gzip-compressed body: EOF");
    expect(await refused(Buffer.from("plain"))).toBe("Error: requires gzip-compressed body: unexpected EOF");
    expect(await refused(gzipSync("no tar".repeat(1000)))).toMatch(/^Error: tar error: /);
    const whole = gzipSync(tar, { level: 0 });
    expect(await refused(whole.subarray(0, whole.length / 2))).toMatch(/^Error: tar error: /);
    for (const name of ["/etc/passwd", "a/../../b", "..\\b"])
      expect(await refused(gzipSync(await tarOf([{ name, content: "x" }])))).toMatch(
        /^Error: tar contained invalid name error/,
      );
    expect(await refused(gzipSync(await tarOf([{ name: "pipe", type: "fifo" }])))).toContain("unsupported type");
    const both = [
      { name: "a", content: "x" },
      { name: "a/b", content: "x" },
    ];
    expect(await refused(gzipSync(await tarOf(both)))).toContain("both a file and a directory");
  });

  it("IGN-003, ART-020: patterns in each directory, and directories without number, are refused", async () => {
    const text = "a\n".repeat(10_000);
    const everywhere = Array.from({ length: 10 }, (_, number) => ({ name: `${number}/.sourceignore`, content: text }));
    const refused = async (tar: Buffer) =>
      archiveLayer(spoolOf(gzipSync(tar)), undefined, AbortSignal.timeout(20_000)).then(
        () => "",
        (error: unknown) => String(error),
      );
    expect(await refused(await tarOf(everywhere))).toContain("there are more than 50000 patterns of files to ignore");
    const deep = [{ name: `${"a/".repeat(2_000)}b`, content: "" }];
    expect(await refused(await tarOf(deep))).toContain("more than 256 directories in each other");
  });

  it("a bomb ends with the time that there is", async () => {
    // Ten members of 64 MB, in a tar whose one file is larger than all of them.
    const header = (await tarOf([{ name: "bomb", size: 0 }])).subarray(0, 512);
    const zeros = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    const bomb = Buffer.concat([gzipSync(header), ...Array.from({ length: 40 }, () => zeros)]);
    expect(bomb.length).toBeLessThan(4 * 1024 * 1024);
    const begun = Date.now();
    await expect(archiveLayer(spoolOf(bomb), undefined, AbortSignal.timeout(500))).rejects.toThrow("timeout");
    expect(Date.now() - begun).toBeLessThan(5_000);
  });
});
