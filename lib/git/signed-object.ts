import { GitError } from "./git-error.ts";

/** A commit or tag object as its signer saw it: the bytes that were signed, and the armored signature; "" where there is none. */
export type SignedObject = { payload: Buffer; signature: string };

/** An annotated tag. `name` is what the object itself says, `target` the id of what it points to. */
export type SignedTag = SignedObject & { name: string; target: string; targetType: string };

/** What begins a signature (git, gpg-interface.c). */
const beginnings = [
  "-----BEGIN PGP SIGNATURE-----",
  "-----BEGIN PGP MESSAGE-----",
  "-----BEGIN SIGNED MESSAGE-----",
  "-----BEGIN SSH SIGNATURE-----",
].map((text) => Buffer.from(text));

const headers = ["gpgsig ", "gpgsig-sha256 "].map((text) => Buffer.from(text));
const newline = 0x0a;
const space = 0x20;

/**
 * Takes a commit's signature out of its header `gpgsig` (GIT-081, GE-005). Nothing else of the bytes is touched: not the encoding,
 * not the headers that are unknown here, not the ends of lines. A header that is there twice counts as one, as in git.
 */
export function signedCommit(content: Buffer): SignedObject {
  return withoutSignatureHeaders(content);
}

/**
 * Takes the signature off the end of a tag object: all from the last line that begins one (git, parse_signed_buffer). Throws
 * GitError `corrupt` for what is no tag.
 */
export function signedTag(content: Buffer): SignedTag {
  const start = startOfSignature(content);
  const { payload } = withoutSignatureHeaders(content.subarray(0, start));
  const [, target, targetType, name] =
    /^object ([0-9a-f]{40})\ntype ([a-z]+)\ntag ([^\n]*)\n/.exec(payload.toString("utf8")) ?? [];
  if (target === undefined || targetType === undefined || name === undefined)
    throw new GitError("corrupt", "a tag object names nothing that it points to");
  return { payload, signature: content.toString("latin1", start), name, target, targetType };
}

function startOfSignature(content: Buffer): number {
  let start = content.length;
  for (const [from, to] of lines(content)) {
    const line = content.subarray(from, to);
    if (beginnings.some((beginning) => startsWith(line, beginning))) start = from;
  }
  return start;
}

function withoutSignatureHeaders(content: Buffer): SignedObject {
  const kept: Buffer[] = [];
  let signature = "";
  let skipping: Buffer | undefined;
  let end = content.length;
  for (const [from, to] of lines(content)) {
    const line = content.subarray(from, to);
    if (line.length === 1 && line[0] === newline) {
      end = from;
      break;
    }
    const continues = skipping !== undefined && line[0] === space;
    if (!continues) skipping = headers.find((name) => startsWith(line, name));
    if (skipping === undefined) kept.push(line);
    else if (skipping === headers[0]) signature += line.toString("latin1", continues ? 1 : skipping.length);
  }
  return { payload: Buffer.concat([...kept, content.subarray(end)]), signature };
}

/** Where each line begins and ends, with its newline. */
function* lines(content: Buffer): Generator<[number, number]> {
  for (let from = 0; from < content.length; ) {
    const at = content.indexOf(newline, from);
    const to = at < 0 ? content.length : at + 1;
    yield [from, to];
    from = to;
  }
}

function startsWith(line: Buffer, beginning: Buffer): boolean {
  return line.subarray(0, beginning.length).equals(beginning);
}
