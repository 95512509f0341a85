import type { ArtifactFile, OpenArtifact } from "./artifact.ts";

/** What was decrypted of an artifact, by the artifact that holds it in clear text. */
const decryptedFiles = new WeakMap<
  OpenArtifact,
  { clear: ReadonlyMap<string, ArtifactFile>; encrypted: OpenArtifact }
>();

/** An artifact in which some files are clear text instead of what they were in another one, which stays as it is. */
export function withDecrypted(encrypted: OpenArtifact, clear: ReadonlyMap<string, ArtifactFile>): OpenArtifact {
  if (clear.size === 0) return encrypted;
  const artifact = { ...encrypted, files: new Map([...encrypted.files, ...clear]) };
  decryptedFiles.set(artifact, { clear, encrypted });
  return artifact;
}

/** The shortest piece of a decrypted file that is looked for: shorter ones are in too many words. */
const shortest = 3;

/**
 * Takes what was decrypted out of a message about an artifact's build (KS-105): kustomize shows a patch or a line that it cannot
 * read. What the encrypted file holds in clear text already may stay.
 */
export function hideDecrypted(message: string, artifact: OpenArtifact): string {
  const decrypted = decryptedFiles.get(artifact);
  if (decrypted === undefined) return message;
  const pieces = new Set<string>();
  for (const [path, { content }] of decrypted.clear) {
    const before = textOf(decrypted.encrypted.files.get(path)?.content);
    for (const piece of piecesOf(textOf(content)))
      if (!before.includes(piece) && message.includes(piece)) pieces.add(piece);
  }
  return [...pieces]
    .sort((a, b) => b.length - a.length)
    .reduce((text, piece) => text.replaceAll(piece, "***"), message);
}

/** Lines, what of a line is a value (after a colon, an equals sign or a dash), and the words of the value. */
function piecesOf(text: string): string[] {
  const pieces = text.split(/\r?\n/).flatMap((line) => {
    const value = line.replace(/^\s*(?:- +)?(?:[^:=\s]+ *(?:: +|=))?/, "");
    return [line.trim(), value.trim(), ...value.split(/[\s,[\]{}"']+/)];
  });
  return pieces.filter((piece) => piece.length >= shortest);
}

function textOf(content: Uint8Array | undefined): string {
  return content === undefined ? "" : Buffer.from(content).toString();
}
