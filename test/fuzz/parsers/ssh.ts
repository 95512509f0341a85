import { GitError } from "../../../lib/git/git-error.ts";
import { knownHost } from "../../../lib/git/known-hosts.ts";
import { verifySshSignature } from "../../../lib/git/ssh-signature.ts";
import { mutate } from "../mutate.ts";
import { check, corpusOf, entriesOf, isSentence, type Parser } from "../parser.ts";
import type { Random } from "../random.ts";

const armor = /^(-----BEGIN SSH SIGNATURE-----\n)([\s\S]*?)(\n-----END SSH SIGNATURE-----\n?)$/;
const wireWords = [
  "\0\0\0\x03git",
  "\0\0\0\x06sha512",
  "ssh-ed25519",
  "ssh-rsa",
  "rsa-sha2-512",
  "SSHSIG",
  "\0\0\0\0",
  "ecdsa-sha2-nistp256",
  "nistp256",
];
const payload = Buffer.from("what was signed\n");

/** What is armored is changed and armored again, else nearly every input would end at its Base64. */
function mutateArmored(corpus: readonly Buffer[], words: readonly string[], random: Random): Buffer {
  if (random.below(6) === 0) return mutate(corpus, words, random);
  const wires = corpus.flatMap((text) => {
    const base64 = armor.exec(text.toString("latin1"))?.[2];
    return base64 === undefined ? [] : [Buffer.from(base64, "base64")];
  });
  const lines =
    mutate(wires, wireWords, random)
      .toString("base64")
      .match(/.{1,70}/g) ?? [];
  return Buffer.from(`-----BEGIN SSH SIGNATURE-----\n${lines.join("\n")}\n-----END SSH SIGNATURE-----\n`);
}

/** The same for keys: `options type base64 comment`. */
function mutateKeys(corpus: readonly Buffer[], words: readonly string[], random: Random): Buffer {
  const text = mutate(corpus, words, random);
  if (random.below(2) === 0) return text;
  return Buffer.from(
    text
      .toString("latin1")
      .replace(/[A-Za-z0-9+/]{40,}={0,2}/, (base64) =>
        mutate([Buffer.from(base64, "base64")], wireWords, random).toString("base64"),
      ),
    "latin1",
  );
}

let keys: string[] | undefined;
let signature: string | undefined;

/** What says whom SSH trusts, and what proves it. */
export const sshParsers: readonly Parser[] = [
  {
    name: "known-hosts",
    cost: "cheap",
    words: [
      "@revoked ",
      "@cert-authority ",
      "|1|",
      "|",
      "[",
      "]:",
      "*",
      "?",
      "!",
      ",",
      "#",
      "\n",
      "\t",
      "ssh-ed25519 ",
      "example.com",
      "*.*.*.*",
    ],
    mutate: mutateKeys,
    expects: (error) => error instanceof GitError && error.code === "invalid-key",
    run: (input) => {
      const text = input.toString("utf8");
      for (const [host, port] of [
        ["git.example.com", 22],
        ["2001:db8::1", 2222],
      ] as const) {
        const known = knownHost(text, host, port);
        check(known.objection(Buffer.from("no key at all")) !== undefined, "what is no key is accepted");
      }
    },
  },
  {
    name: "ssh-signature",
    cost: "expensive",
    mutate: mutateArmored,
    expects: isSentence,
    run: (input) => {
      keys ??= [...entriesOf("corpus", "ssh-public-key").values()].map((key) => key.toString("latin1"));
      const text = input.toString("latin1");
      check(/^SHA256:/.test(verifySshSignature(text, payload, keys)), "a key has no fingerprint");
      let passes = false;
      try {
        verifySshSignature(text, Buffer.from("something else"), keys);
        passes = true;
      } catch {
        // As it has to be.
      }
      check(!passes, "a signature is good for something else");
    },
  },
  {
    name: "ssh-public-key",
    cost: "expensive",
    words: [
      '"',
      '\\"',
      "command=",
      " ",
      '\\"'.repeat(60),
      '"\\"'.repeat(40),
      "\t",
      "#",
      "\n",
      "no-pty,",
      "ssh-ed25519 ",
      "ssh-rsa ",
      "\\",
    ],
    mutate: mutateKeys,
    expects: isSentence,
    run: (input) => {
      signature ??= corpusOf({ name: "ssh-signature" })[0]?.toString("latin1") ?? "";
      verifySshSignature(signature, payload, [input.toString("latin1")]);
    },
  },
];
