import { parseCommit } from "../../../lib/git/commit.ts";
import { applyDelta, parseDeltaHeader } from "../../../lib/git/delta.ts";
import { GitError } from "../../../lib/git/git-error.ts";
import { parseModules } from "../../../lib/git/gitmodules.ts";
import { objectId } from "../../../lib/git/object-id.ts";
import { receivePack } from "../../../lib/git/pack.ts";
import { formatPackedHeader, parsePackedHeader } from "../../../lib/git/packed-object.ts";
import { signedCommit, signedTag } from "../../../lib/git/signed-object.ts";
import { formatTree, parseTree } from "../../../lib/git/tree.ts";
import { idsIn, mutatePack } from "../mutate-pack.ts";
import { check, entriesOf, type Parser } from "../parser.ts";

const expects = (error: unknown): boolean => error instanceof GitError;
const id = "83baae61804e65cc73a7201a7252750c76066a30";
const packLimits = {
  pack: 1024 * 1024,
  memory: 1024 * 1024,
  objects: 200,
  object: 1024 * 1024,
  unpacked: 4 * 1024 * 1024,
  kept: 16 * 1024,
  deltaChain: 20,
};

let known: readonly string[] | undefined;

async function* parts(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
}

/** Packs, the objects in them, and the files that Git itself reads. */
export const gitObjectParsers: readonly Parser[] = [
  {
    name: "pack",
    cost: "expensive",
    mutate: mutatePack,
    expects,
    run: async (input) => {
      const pack = await receivePack(parts(input), packLimits);
      try {
        known ??= [...entriesOf("corpus", "pack").values()].flatMap(idsIn);
        for (const id of known) {
          const object = pack.read(id);
          if (object === undefined) continue;
          check(objectId(object.type, object.content) === id, "an object passes for another");
          check(pack.stat(id)?.size === object.content.length, "an object has another size than it says");
        }
      } finally {
        pack.close();
      }
    },
  },
  {
    name: "packed-header",
    cost: "cheap",
    expects,
    run: (input) => {
      const header = parsePackedHeader(input, 0, input.length, 1_000_000);
      const { dataStart, ...written } = header;
      const again = parsePackedHeader(formatPackedHeader(written, 1_000_000), 0, 64, 1_000_000);
      check(again.size === header.size && again.type === header.type, "a header is not read as it is written");
      check(dataStart > 1_000_000 && dataStart <= 1_000_000 + input.length, "a header ends outside of its bytes");
    },
  },
  {
    name: "delta",
    cost: "cheap",
    words: ["\x80", "\xff\xff\xff\xff\xff\xff\xff\x7f", "\x90\x10", "\xbf", "\x00"],
    expects,
    run: (input) => {
      const size = input[0] ?? 0;
      const [base, delta] = [input.subarray(1, 1 + size), input.subarray(1 + size)];
      const { resultSize } = parseDeltaHeader(delta);
      if (resultSize > 1024 * 1024) return;
      check(applyDelta(base, delta).length === resultSize, "a delta makes another size than it says");
    },
  },
  {
    name: "tree",
    cost: "cheap",
    words: [
      "100644 ",
      "40000 ",
      "120000 ",
      "160000 ",
      ".git",
      "..",
      "git~1",
      ".g\u200cit",
      "/",
      "\\",
      "\0",
      " ",
      ".GIT. ",
    ],
    expects,
    run: (input) => {
      const entries = parseTree(input);
      for (const { name } of entries) {
        const text = name.toString("utf8").toLowerCase();
        check(!text.includes("/") && !["", ".", "..", ".git", "git~1"].includes(text), "a name leads elsewhere");
      }
      const written = formatTree(entries);
      check(formatTree(parseTree(written)).equals(written), "a tree is not read as it is written");
    },
  },
  {
    name: "commit",
    cost: "cheap",
    words: [
      `tree ${id}\n`,
      `parent ${id}\n`,
      "\n\n",
      "committer A <a@b> 1 +0000\n",
      "gpgsig ",
      "gpgsig-sha256 ",
      "\n ",
    ],
    expects,
    run: (input) => {
      const { payload, signature } = signedCommit(input);
      check(payload.length + signature.length <= input.length, "a commit grows by being taken apart");
      const again = signedCommit(payload);
      check(again.signature === "" && again.payload.equals(payload), "a signature is left in what was signed");
      const { tree, parents } = parseCommit(input);
      check(
        [tree, ...parents].every((one) => /^[0-9a-f]{40}$/.test(one)),
        "an id is none",
      );
    },
  },
  {
    name: "tag",
    cost: "cheap",
    words: [
      `object ${id}\n`,
      "type commit\n",
      "tag v1\n",
      "-----BEGIN PGP SIGNATURE-----",
      "-----BEGIN SSH SIGNATURE-----\n",
    ],
    expects,
    run: (input) => {
      const { payload, signature, target } = signedTag(input);
      check(payload.length + signature.length <= input.length, "a tag grows by being taken apart");
      check(/^[0-9a-f]{40}$/.test(target), "an id is none");
    },
  },
  {
    name: "gitmodules",
    cost: "cheap",
    words: ['[submodule "a"]', "path = ", "url = ", "\\\n", '"', "\\", "#", ";", "\t", "[", "]", '\\"', "\r\n"],
    expects: () => false,
    run: (input) => {
      for (const { path, url } of parseModules(input.toString("utf8")))
        check(path !== "" && url !== "", "a submodule has no path or no address");
    },
  },
];
