import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bedPart } from "../../../test/bed/bed.ts";
import { type AgePair, openSopsWorkshop, type SopsType, type SopsWorkshop } from "../../../test/bed/sops/workshop.ts";
import { decryptText } from "../decrypt.ts";
import { importKeys } from "../import-keys.ts";
import type { KeyServices } from "../keys.ts";

let workshop: SopsWorkshop;
let pair: AgePair;
let keys: KeyServices;
beforeAll(async () => {
  workshop = await openSopsWorkshop(await bedPart("sops"));
  pair = await workshop.ageKey();
  const source = { namespace: "ns", name: "keys", ageOnly: false };
  keys = await importKeys(new Map([["key.agekey", Buffer.from(pair.identity)]]), source);
});
afterAll(() => workshop.close());

/** Encrypts with sops, and holds our decryption to the bytes of sops's own. Undefined where sops itself refuses the content. */
async function expectSame(content: string, input: SopsType, output: SopsType, args: string[] = []): Promise<void> {
  const encrypted = await workshop.encrypt(content, input, ["--age", pair.recipient, ...args]);
  const theirs = await workshop.decrypt(encrypted, input, output, pair.identity);
  const ours = await decryptText(encrypted, input, output, keys, { checkMac: true });
  expect(Buffer.from(ours).toString("latin1")).toBe(theirs.toString("latin1"));
}

const pieces = [
  ..." \n\t:#-?,[]{}&*!|>'\"%@`=<~+._/\\\0\u0007\u001b\u00a0\u00e9\u4e2d",
  "\u{1f600}",
  "a",
  "1",
  "0x",
  "e",
  "null",
  "yes",
  "---",
  "...",
  ": ",
  " #",
  "\n\n",
  "a longer word",
];
/** go-yaml cannot read what it writes of a block that begins with a tab; SOPS has null of it. */
const nasty = fc
  .array(fc.constantFrom(...pieces), { maxLength: 10 })
  .map((parts) => parts.join(""))
  .filter((text) => !(text.includes("\n") && /^[ \n]*\t/m.test(text)));
/** Nor what it writes of a block that begins with a blank within a list, whose indentation it gives wrong. */
const tame = nasty.filter((text) => !(text.includes("\n") && /^[ \n]/.test(text)));
const scalarLike = fc.oneof(
  fc.array(fc.constantFrom(..."0123456789.eE+-_xob:TtZ "), { maxLength: 8 }).map((parts) => parts.join("")),
  fc.constantFrom(
    "y",
    "n",
    "on",
    "Off",
    "TRUE",
    "True",
    "~",
    "",
    "Null",
    ".inf",
    "-.INF",
    ".NaN",
    "=",
    "0b1",
    "0o7",
    "08",
  ),
  fc.constantFrom("2020-01-02", "2020-1-2", "2020-01-02T03:04:05Z", "2020-01-02 03:04:05", "1:20", "1_000"),
);
const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.constantFrom(0, 1e20, 1e21, 1e22, 123456.5, 1234567.5, 0.0001, 0.00001, 1e-7),
);
const key = fc
  .oneof(nasty, scalarLike)
  .filter((name) => name.length < 60 && !/[\n\u2028\u2029]/.test(name) && name !== "sops" && name !== "<<");
const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    { weight: 6, arbitrary: fc.oneof(tame, scalarLike) },
    { weight: 2, arbitrary: fc.oneof(number, fc.boolean(), fc.constant(null)) },
    { weight: 1, arbitrary: fc.array(tie("tree"), { maxLength: 4 }) },
    { weight: 1, arbitrary: fc.dictionary(key, tie("tree"), { maxKeys: 4 }) },
  ),
}));
const object = fc.array(fc.oneof(tree, nasty), { minLength: 300, maxLength: 300 }).map((values) => {
  return Object.fromEntries(values.map((value, index) => [`k${index}`, value]));
});

describe("files of every format", () => {
  it("SN-16, KS-093: trees of any shape come out of JSON as sops writes them in JSON and YAML", async () => {
    for (const content of fc.sample(object, 4)) {
      await expectSame(JSON.stringify(content), "json", "json");
      await expectSame(JSON.stringify(content), "json", "yaml");
    }
  });

  it("SN-16, KS-094: trees of any shape come out of YAML as sops writes them", async () => {
    for (const content of fc.sample(object, 4)) {
      const yaml = [content, { second: content.k1, third_unencrypted: content.k2 }]
        .map((document) => `${JSON.stringify(document)}\n`)
        .join("---\n");
      await expectSame(yaml, "yaml", "yaml");
      await expectSame(yaml, "yaml", "yaml", ["--unencrypted-suffix", "7"]);
      await expectSame(yaml, "yaml", "json");
    }
  });

  it("SN-16, KS-094: unencrypted YAML of any spelling is read as go-yaml v3 reads it", async () => {
    for (const texts of fc.sample(fc.array(scalarLike, { minLength: 300, maxLength: 300 }), 5)) {
      const lines = texts
        .filter((text) => !/^[-?:]( |$)|: |:$|^ | $|^"|^'/.test(text))
        .map((text, index) => `k${index}: ${text}`);
      await expectSame(`${lines.join("\n")}\n`, "yaml", "yaml");
      const finite = lines.filter((text) => !/\.(inf|nan)$/i.test(text));
      await expectSame(`${finite.join("\n")}\n`, "yaml", "json", ["--encrypted-suffix", "none"]);
    }
  });

  it("SN-16, KS-094: remarks of YAML, encrypted or not, stay where sops leaves them", async () => {
    const files = [
      "# top\n# two\n\n# three\na: x # in a\n# before b\nb_unencrypted: y # in b\nc: # after c\n    # nested\n    d: z\n    # foot d\n\n    # head e\n    e: 1\n    # foot e\n# head f\nf:\n    - a\n    - b\n# foot f\n\ng: |\n    foo\n# end\n",
      "a: x\n# end\n---\n# second\nb: y\n# end\n---\nc: z\n",
      "# only\n---\na: 1\n",
      "l:\n    - a: 1\n      # foot\n    - b: 2\n      # head c\n      c: 1\n# x\n",
      "a: '#no' # yes\nb: \"x # no\"\nc: {d: 1}\ne: a#b\n",
      "s: |\n    # in a block\n    x\n# after\nt: 1\n",
    ];
    for (const file of files) {
      await expectSame(file, "yaml", "yaml");
      await expectSame(file, "yaml", "yaml", ["--encrypted-regex", "^(g|none)$"]);
    }
  });

  it("SN-16, KS-094: dotenv files come out as sops writes them", async () => {
    const line = fc.tuple(
      key.filter((name) => !/[=\n\0]/.test(name) && name !== "" && !/^[# ]/.test(name)),
      nasty,
    );
    for (const lines of fc.sample(fc.array(line, { minLength: 300, maxLength: 300 }), 4)) {
      const content = lines.map(([name, value], index) => `${name}${index}=${value.replaceAll("\n", "\\n")}\n`);
      await expectSame(content.join("# a remark\n"), "dotenv", "dotenv");
      await expectSame(content.join("\n"), "dotenv", "yaml");
    }
  });

  it("SN-16, KS-094: INI files come out as sops writes them", async () => {
    const word = fc
      .array(fc.constantFrom(..."ab1 -_.'%/", "é", "x y"), { minLength: 1, maxLength: 6 })
      .map((parts) => parts.join(""));
    const entry = fc.tuple(
      word,
      fc.oneof(
        word,
        nasty.filter((text) => !/[\n\0`"]/.test(text)),
      ),
    );
    for (const entries of fc.sample(fc.array(entry, { minLength: 60, maxLength: 60 }), 12)) {
      const lines = entries.map(
        ([name, value], index) =>
          `${index % 9 === 5 ? `[s${index}]\n; of the section\n` : ""}k${index}${name} = ${value}${index % 4 === 1 ? " ; remark" : ""}\n`,
      );
      await expectSame(lines.join(""), "ini", "ini");
    }
  });

  it("SN-16, KS-094: anything comes out of the binary format as it was", async () => {
    const content = Buffer.from(fc.sample(fc.uint8Array({ minLength: 2_000, maxLength: 2_000 }), 1)[0] ?? []);
    const encrypted = await workshop.encrypt(content, "binary", ["--age", pair.recipient]);
    const ours = await decryptText(encrypted, "binary", "binary", keys, { checkMac: true });
    expect(Buffer.from(ours).equals(content)).toBe(true);
  });
});
