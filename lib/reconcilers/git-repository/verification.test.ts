import { createMessage, generateKey, sign } from "openpgp";
import { beforeAll, describe, expect, it } from "vitest";
import type { GitRepository } from "../../api/git-repository.ts";
import type { TrustedKeys } from "../../git/signature-verification.ts";
import type { SourceFailure } from "../source/source-failure.ts";
import { requiresVerification, type VerificationMode, verificationMode, verifyObjects } from "./verification.ts";

const now = new Date(Date.now() + 600_000);
const commit = "c".repeat(40);
const tagId = "d".repeat(40);
const commitText = `tree ${"a".repeat(40)}\nauthor a <a> 0 +0000\ncommitter a <a> 0 +0000\n\nSubject\n`;
const tagText = `object ${commit}\ntype commit\ntag v1\ntagger a <a> 0 +0000\n\nTag\n`;
const unsigned = { commit: Buffer.from(commitText), tags: [Buffer.from(tagText)] };
const ofTag = { revision: "", commit, tag: { name: "v1", id: tagId } };

let keys: TrustedKeys;
let id: string;
let signedCommit: Buffer;
let signedTag: Buffer;
beforeAll(async () => {
  const { privateKey, publicKey } = await generateKey({ userIDs: [{ name: "a" }], format: "object" });
  const signatureOf = async (text: string) => {
    const message = await createMessage({ binary: Uint8Array.from(Buffer.from(text)) });
    return (await sign({ message, signingKeys: privateKey, detached: true })).replaceAll("\r", "").trimEnd();
  };
  const header = `gpgsig ${(await signatureOf(commitText)).replaceAll("\n", "\n ")}\n`;
  signedCommit = Buffer.from(commitText.replace("\n\nSubject", `\n${header}\nSubject`));
  signedTag = Buffer.from(`${tagText}${await signatureOf(tagText)}\n`);
  keys = { keyRings: [publicKey.armor()], authorizedKeys: [] };
  id = publicKey.getKeyID().toHex().toUpperCase();
});

async function failureOf(work: Promise<string>): Promise<SourceFailure> {
  const error: unknown = await work.then(String, (reason: unknown) => reason);
  expect(error).toMatchObject({ name: "SourceFailure", condition: "SourceVerified" });
  return error as SourceFailure;
}

describe("what is verified", () => {
  const modes = ["HEAD", "Tag", "TagAndHEAD"] as const;
  const objectOf = (mode: VerificationMode | "head", observed: string | undefined): GitRepository => ({
    apiVersion: "",
    kind: "GitRepository",
    metadata: { name: "a" },
    spec: { url: "", interval: "1m", verify: { mode, secretRef: { name: "a" } } },
    status: observed === undefined ? {} : { sourceVerificationMode: observed },
  });

  it.each<[string | undefined, Record<VerificationMode, boolean>]>([
    [undefined, { HEAD: true, Tag: true, TagAndHEAD: true }],
    ["HEAD", { HEAD: false, Tag: true, TagAndHEAD: true }],
    ["Tag", { HEAD: true, Tag: false, TagAndHEAD: true }],
    ["TagAndHEAD", { HEAD: false, Tag: false, TagAndHEAD: false }],
  ])("GIT-074: from %s", (observed, required) => {
    for (const mode of modes) expect(requiresVerification(objectOf(mode, observed))).toBe(required[mode]);
    const { verify: _, ...spec } = objectOf("HEAD", observed).spec;
    expect(requiresVerification({ ...objectOf("HEAD", observed), spec })).toBe(false);
  });

  it("GIT-072: head is HEAD, and so is what is not said", () => {
    const secretRef = { name: "a" };
    expect([verificationMode({ mode: "head", secretRef }), verificationMode({ secretRef })]).toEqual(["HEAD", "HEAD"]);
  });

  it("GIT-073: what is told of the commit, of the tag, and of both", async () => {
    const signed = { commit: signedCommit, tags: [signedTag] };
    const told = (mode: VerificationMode) => verifyObjects(mode, ofTag, signed, keys, now);
    const [ofCommit, tag] = [`\n\t- commit '${commit}' with key '${id}'`, `\n\t- tag 'v1@${tagId}' with key '${id}'`];
    expect(await told("HEAD")).toBe(`verified signature of${ofCommit}`);
    expect(await told("Tag")).toBe(`verified signature of${tag}`);
    expect(await told("TagAndHEAD")).toBe(`verified signature of${tag}${ofCommit}`);
  });

  it("GIT-076, GIT-079: all or nothing", async () => {
    const half = { commit: unsigned.commit, tags: [signedTag] };
    const expected = {
      ...{ reason: "InvalidCommitSignature", terminal: false },
      message: `signature verification of commit '${commit}' failed: unsupported signature type: empty`,
    };
    for (const mode of ["HEAD", "TagAndHEAD"] as const)
      expect(await failureOf(verifyObjects(mode, ofTag, half, keys, now))).toMatchObject(expected);
    await expect(verifyObjects("Tag", ofTag, half, keys, now)).resolves.toContain("tag 'v1@");
  });

  it("GIT-077, GIT-078: what is no tag, no tag object, no signed one, or wrongly signed", async () => {
    const tag = (resolved: Parameters<typeof verifyObjects>[1], tags: Buffer[]) =>
      failureOf(verifyObjects("Tag", resolved, { commit: signedCommit, tags }, keys, now));
    expect(await tag({ revision: "", commit }, [])).toMatchObject({
      ...{ reason: "InvalidVerificationMode", terminal: true },
      message: "cannot verify tag object's signature if a tag reference is not specified",
    });
    expect(await tag({ revision: "", commit, tag: { name: "light" } }, [])).toMatchObject({
      ...{ reason: "InvalidGitObject", terminal: false },
      message: "cannot verify signature of tag 'light' since it is not signed",
    });
    expect(await tag(ofTag, unsigned.tags)).toMatchObject({
      reason: "InvalidGitObject",
      message: `cannot verify signature of tag 'v1@${tagId}' since it is not signed`,
    });
    const forged = Buffer.from(signedTag.toString("latin1").replace("\n\nTag\n", "\n\nBag\n"));
    expect(await tag(ofTag, [forged])).toMatchObject({
      ...{ reason: "InvalidTagSignature", terminal: false },
      message: `signature verification of tag 'v1@${tagId}' failed: unable to verify Git tag: unable to verify payload with any of the given key rings: no matching key`,
    });
  });
});
