import { createCipheriv, createHash, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decryptText } from "./decrypt.ts";
import { formatFixed } from "./go-float.ts";
import type { KeyServices } from "./keys.ts";
import { combineShares } from "./shamir.ts";
import { storeOf } from "./stores/store.ts";
import { type Branch, type Format, isBranch, isList, isTimestamp, type Scalar, type Value } from "./tree.ts";

const dataKey = randomBytes(32);
const keys: KeyServices = { age: async () => dataKey };
const lastModified = "2026-01-02T03:04:05Z";

/** SOPS's encryption, for trees that no file has yet. */
function seal(plain: string | Uint8Array, type: string, place: string): string {
  const iv = randomBytes(32);
  const cipher = createCipheriv("aes-256-gcm", dataKey, iv);
  cipher.setAAD(Buffer.from(place));
  const data = Buffer.concat([cipher.update(plain), cipher.final()]).toString("base64");
  return `ENC[AES256_GCM,data:${data},iv:${iv.toString("base64")},tag:${cipher.getAuthTag().toString("base64")},type:${type}]`;
}

function encryptValue(value: Value, path: string[], hash: ReturnType<typeof createHash>): Value {
  if (isBranch(value)) return encryptBranch(value, path, hash);
  if (isList(value)) return value.map((part) => encryptValue(part, path, hash));
  if (value === null) return null;
  const { text, type } = textOf(value);
  hash.update(text);
  return text.length === 0 ? "" : seal(text, type, `${path.join(":")}:`);
}

function textOf(value: Exclude<Scalar, null>): { text: string | Uint8Array; type: string } {
  if (typeof value === "string" || value instanceof Uint8Array) return { text: value, type: "str" };
  if (typeof value === "boolean") return { text: value ? "True" : "False", type: "bool" };
  if (typeof value === "bigint") return { text: String(value), type: "int" };
  if (typeof value === "number") return { text: formatFixed(value), type: "float" };
  return { text: isTimestamp(value) ? value.time : "", type: "time" };
}

function encryptBranch(branch: Branch, path: string[], hash: ReturnType<typeof createHash>): Branch {
  return {
    items: branch.items.map((item) =>
      "comment" in item ? item : { key: item.key, value: encryptValue(item.value, [...path, item.key], hash) },
    ),
  };
}

function nested(mac: string): Branch {
  const age: Branch = {
    items: [
      { key: "recipient", value: "age1test" },
      { key: "enc", value: "x" },
    ],
  };
  return {
    items: [
      { key: "age", value: [age] },
      { key: "lastmodified", value: lastModified },
      { key: "mac", value: mac },
      { key: "version", value: "3.13.2" },
    ],
  };
}

async function encryptedFile(branch: Branch, format: Format): Promise<Uint8Array> {
  const hash = createHash("sha512");
  const { items } = encryptBranch(branch, [], hash);
  const mac = seal(hash.digest("hex").toUpperCase(), "str", lastModified);
  return (await storeOf(format)).emit([{ items: [...items, { key: "sops", value: nested(mac) }] }]);
}

const scalar = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.constantFrom("", "null", "12", "yes", "2020-01-02", "a\nb\n", "ENC[", "\\n"),
  fc.boolean(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  // A negative zero is read as the integer that it is written as.
  fc.double({ noNaN: true, noDefaultInfinity: true }).filter((value) => !Object.is(value, -0)),
  fc.constant(null),
);
const name = fc
  .string({ unit: "grapheme", minLength: 1 })
  .filter((key) => key !== "sops" && key !== "<<" && !key.endsWith("_unencrypted"));
const { tree } = fc.letrec<{ tree: Value; branch: Branch }>((tie) => ({
  tree: fc.oneof({ maxDepth: 4 }, scalar, fc.array(tie("tree"), { maxLength: 4 }), tie("branch")),
  branch: fc
    .uniqueArray(fc.record({ key: name, value: tie("tree") }), { maxLength: 5, selector: ({ key }) => key })
    .map((items) => ({ items })),
}));
const branch = fc
  .uniqueArray(fc.record({ key: name, value: tree }), { minLength: 1, maxLength: 8, selector: ({ key }) => key })
  .map((items): Branch => ({ items }));

describe("trees of any shape", () => {
  it.each(["yaml", "json"] as const)("SN-16: they come back with their order and types from %s", async (format) => {
    const store = await storeOf(format);
    await fc.assert(
      fc.asyncProperty(branch, async (value) => {
        const plain = await decryptText(await encryptedFile(value, format), format, format, keys, { checkMac: true });
        expect(Buffer.from(plain).toString()).toBe(Buffer.from(store.emit([value])).toString());
        // What is written is read as the same again: a float without a fraction is an integer then.
        expect(store.emit(store.parse(plain))).toEqual(plain);
      }),
      { numRuns: 300 },
    );
  });

  it("SN-16: shares of a secret give it back, in any order", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 40 }),
        fc.integer({ min: 2, max: 6 }),
        (secret, threshold) => {
          const shares = share(secret, threshold, 8);
          expect(combineShares(shares.slice(8 - threshold))).toEqual(secret);
          expect(combineShares(shares.slice(0, threshold).reverse())).toEqual(secret);
          expect(combineShares(shares)).toEqual(secret);
        },
      ),
    );
    expect(() => combineShares([new Uint8Array(3)])).toThrow("less than two parts");
    expect(() => combineShares([new Uint8Array(3), new Uint8Array(3)])).toThrow("duplicate part");
    expect(() => combineShares([new Uint8Array(3), new Uint8Array(4)])).toThrow("same length");
  });
});

describe("hostile files", () => {
  const failure = (content: string, format: Format) =>
    decryptText(Buffer.from(content), format, format, keys).then(
      () => "decrypted",
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );

  it("SN-16: what nests too deep, grows by aliases or is too large is refused", async () => {
    expect(await failure(`${"[".repeat(100_000)}`, "yaml")).toMatch(/^failed to load encrypted YAML data/);
    expect(await failure(`{"a":${"[".repeat(100_000)}`, "json")).toContain("nests deeper");
    const bomb = Array.from(
      { length: 30 },
      (_, level) => `a${level}: &a${level} [${`*a${level - 1}, `.repeat(level && 9)}x]`,
    );
    expect(await failure(bomb.join("\n"), "yaml")).toContain("more than 1000000 values");
    expect(await failure("x".repeat(6 * 1024 * 1024), "binary")).toContain("more than the limit");
    expect(await failure(`a=b\nsops_${"x__list_9__map_".repeat(1000)}=1\n`, "dotenv")).toContain("nests deeper");
    expect(await failure("a=b\nsops_age__list_999999999=1\n", "dotenv")).toContain("longer than");
    expect(await failure("a: &a [*a]\n", "yaml")).toContain("unknown anchor");
  });

  it("SN-16: what was encrypted as a remark is one of YAML, whatever is in it", async () => {
    const remark = seal("one\ninjected: two\r\u2028three: 4\n", "comment", ":");
    const content = `#${remark}\na: ${seal("x", "str", "a:")}\n${Buffer.from((await storeOf("yaml")).emit([{ items: [{ key: "sops", value: nested("") }] }]))}`;
    const plain = Buffer.from(await decryptText(Buffer.from(content), "yaml", "yaml", keys)).toString("utf8");
    expect(plain).toBe("#one\n#injected: two\n#\n#three: 4\n#\na: x\n");
  });

  it("KS-105, SN-16: a file of any bytes fails with a text that has nothing of it, and soon", async () => {
    const secret = "s3cr3t-in-clear";
    const piece = fc.constantFrom(
      secret,
      "sops",
      ": ",
      "{",
      "}",
      "[",
      "]",
      '"',
      "\n",
      "=",
      "  ",
      "ENC[AES256_GCM,data:",
      ",iv:",
      "mac",
      "&a ",
      "*a",
      "---",
      "\t",
    );
    const content = fc.array(piece, { maxLength: 40 }).map((parts) => parts.join(""));
    for (const format of ["yaml", "json", "dotenv", "ini", "binary"] as const)
      await fc.assert(
        fc.asyncProperty(content, async (text) => {
          expect(await failure(text, format)).not.toContain(secret);
        }),
        { numRuns: 300 },
      );
  });

  it("SN-16: a pattern that would take forever takes no time", async () => {
    const items = [
      { key: `${"a".repeat(5_000)}!`, value: "x" },
      { key: "sops", value: { items: [...nested("").items, { key: "encrypted_regex", value: "^(a+)+$" }] } },
    ];
    const content = (await storeOf("json")).emit([{ items }]);
    const started = performance.now();
    await decryptText(content, "json", "json", keys);
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});

/** Shamir's scheme the other way round, by logarithms where the code multiplies. */
function share(secret: Uint8Array, threshold: number, count: number): Uint8Array[] {
  const powers = [1];
  for (let index = 1; index < 255; index += 1) {
    const last = powers[index - 1] ?? 1;
    const doubled = (last << 1) ^ (last & 0x80 ? 0x11b : 0);
    powers.push(doubled ^ last);
  }
  const log = new Map(powers.map((power, index) => [power, index]));
  const times = (a: number, b: number) =>
    a === 0 || b === 0 ? 0 : (powers[((log.get(a) ?? 0) + (log.get(b) ?? 0)) % 255] ?? 0);
  const polynomials = [...secret].map((byte) => [byte, ...randomBytes(threshold - 1)]);
  return Array.from({ length: count }, (_, index) => {
    const x = index + 1;
    const values = polynomials.map((terms) => terms.reduceRight((sum, term) => times(sum, x) ^ term, 0));
    return new Uint8Array([...values, x]);
  });
}
