import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GitError } from "./git-error.ts";
import { knownHost } from "./known-hosts.ts";

const text = (content: string): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  return Buffer.concat([length, Buffer.from(content)]);
};
const keyOf = (type: string, content: string): Buffer => Buffer.concat([text(type), text(content)]);
const one = keyOf("ssh-ed25519", "1".repeat(32));
const two = keyOf("ssh-ed25519", "2".repeat(32));
const rsa = keyOf("ssh-rsa", "3".repeat(64));
const line = (names: string, key: Buffer, type = "ssh-ed25519"): string => `${names} ${type} ${key.toString("base64")}`;

function accepts(file: string, host: string, port = 22, key = one): boolean {
  return knownHost(file, host, port).objection(key) === undefined;
}

describe("known_hosts", () => {
  it("GIT-059: names, ports, wildcards and negations", () => {
    const file = line("git.example.test,*.example.com,!bad.example.com,[git.example.test]:2222,10.0.?.1", one);
    const known: [string, number?][] = [
      ["git.example.test"],
      ["git.example.test", 2222],
      ["a.b.example.com"],
      ["10.0.7.1"],
    ];
    for (const [host, port] of known) expect(accepts(file, host, port)).toBe(true);
    const unknown: [string, number?][] = [
      ["git.example.test", 23],
      ["bad.example.com"],
      ["a.example.com", 2222],
      ["example.com"],
      ["10.0.77.1"],
      ["GIT.example.test"],
    ];
    for (const [host, port] of unknown) expect(accepts(file, host, port)).toBe(false);
    expect(accepts(line("git.example.test:2222", one), "git.example.test", 2222)).toBe(true);
    expect(accepts(line("[fe80::1]:22,2001:db8::1", one), "2001:db8::1")).toBe(true);
    expect(accepts(line("!git.example.test", one), "git.example.test")).toBe(false);
  });

  it("GIT-059: hashed names, of IPv6 and of a port as well", () => {
    const hashed = (name: string): string => {
      const hash = createHmac("sha1", "salt").update(name).digest("base64");
      return line(`|1|${Buffer.from("salt").toString("base64")}|${hash}`, one);
    };
    expect(accepts(hashed("git.example.test"), "git.example.test")).toBe(true);
    expect(accepts(hashed("git.example.test"), "git.example.test", 2222)).toBe(false);
    expect(accepts(hashed("[git.example.test]:2222"), "git.example.test", 2222)).toBe(true);
    expect(accepts(hashed("::1"), "::1")).toBe(true);
    expect(accepts(hashed("[::1]"), "::1")).toBe(true);
  });

  it("GIT-059, GIT-060: several keys and hosts; the types that are known of the host alone", () => {
    const file = [line("a", one), line("a", two), line("b", rsa, "ssh-rsa"), line("@cert-authority c", two)].join("\n");
    const host = knownHost(file, "a", 22);
    expect(host.types).toEqual(["ssh-ed25519"]);
    expect([one, two, rsa].map((key) => host.objection(key))).toEqual([
      undefined,
      undefined,
      "knownhosts: key mismatch",
    ]);
    expect(knownHost(file, "b", 22).types).toEqual(["ssh-rsa"]);
    expect(knownHost(file, "none", 22).types).toEqual(["ssh-ed25519", "ssh-rsa"]);
    expect(knownHost(file, "none", 22).objection(one)).toBe("knownhosts: key is unknown");
    // As in Go: the type that is told beside a key does not count.
    expect(knownHost(line("a", one, "ssh-rsa"), "a", 22).types).toEqual(["ssh-ed25519"]);
    expect(accepts(`\t${line("a", one)} a comment here  \r\n#${line("a", two)}\n\n`, "a")).toBe(true);
  });

  it("GIT-059: a revoked key is no key, wherever the line stands", () => {
    const file = `${line("a", one)}\n${line("@revoked *", one)}\n${line("a", two)}`;
    expect(knownHost(file, "a", 22).objection(one)).toBe("knownhosts: key is revoked");
    expect(accepts(file, "a", 22, two)).toBe(true);
  });

  it.each([
    ["a", "missing host pattern"],
    ["a ssh-ed25519", "missing key type pattern"],
    ["a ssh-ed25519 !", "illegal base64 data"],
    [`a ssh-ed25519 ${keyOf("what", "x").toString("base64")}`, "a key is not one of an SSH server"],
    ["a ssh-ed25519 AAAA", "a key is not one of an SSH server"],
    [line("!", one), "negation without following hostname"],
    [line("[a", one), "missing port in address"],
    [line("|2|c2FsdA==|c2FsdA==", one), "got hash type 2, must be '1'"],
    [line("|1|c2FsdA==", one), "got 3 components, want 3"],
  ])("GIT-059: %s is told", (file, words) => {
    expect(() => knownHost(`${line("b", one)}\n${file}`, "b", 22)).toThrow(`knownhosts: knownhosts: ${words}`);
  });

  it("GIT-059: wildcards take no time, and nothing but a GitError comes out of a file", () => {
    const started = performance.now();
    expect(accepts(line(`${"*a".repeat(5000)}b`, one), "a".repeat(5000))).toBe(false);
    expect(performance.now() - started).toBeLessThan(5000);
    const word = fc.constantFrom(
      "a",
      "*",
      "!",
      "|1|",
      "[",
      "]:22",
      " ",
      "\n",
      "ssh-rsa",
      "@revoked",
      one.toString("base64"),
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(word, fc.string()), { maxLength: 20 }), fc.string(), (words, host) => {
        try {
          knownHost(words.join(""), host, 22).objection(one);
        } catch (error) {
          expect(error).toBeInstanceOf(GitError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
