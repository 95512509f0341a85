import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { formatTarHeader, type TarEntry, tarEnd, tarPadding } from "./tar.ts";

/** What Go 1.26's archive/tar makes of the entries below, with the modes of source-controller and no times, owners or names. */
const reference = "9b51496fb3b2f1e8cb6bd27d885fc0ff7d022fd7bc461db467b27e46d891f79b";

const entries: [name: string | Buffer, type: TarEntry["type"], content: string][] = [
  [".", "directory", ""],
  ["a.txt", "file", "hello"],
  ["run.sh", "executable", "#!/bin/sh\n"],
  ["dir", "directory", ""],
  ["dir/ü.txt", "file", "x"],
  [`${"d".repeat(60)}/${"f".repeat(60)}`, "file", "split"],
  ["n".repeat(101), "file", "pax, too long and no slash"],
  [`${"abcdefghi/".repeat(20)}file`, "file", "long"],
  [`${"p".repeat(99)}/${"q".repeat(120)}`, "file", "slash at 100"],
  [`é/${"z".repeat(110)}/w`, "directory", ""],
  [`${"k".repeat(155)}/${"m".repeat(100)}`, "file", "exact"],
  [`${"k".repeat(156)}/${"m".repeat(100)}`, "file", "one more"],
  [Buffer.from("bin\xff\xfe", "latin1"), "file", "no utf-8"],
  ["x".repeat(91), "file", "y".repeat(1024)],
];

describe("the tar of an artifact", () => {
  it("ART-006, ART-007: is byte for byte the one that Go's archive/tar writes", () => {
    const parts = entries.flatMap(([name, type, text]) => {
      const content = Buffer.from(text);
      const header = formatTarHeader({ name: Buffer.from(name), type, size: content.length });
      return [header, content, tarPadding(content.length)];
    });
    const tar = Buffer.concat([...parts, tarEnd]);
    expect(createHash("sha256").update(tar).digest("hex")).toBe(reference);
  });
});
