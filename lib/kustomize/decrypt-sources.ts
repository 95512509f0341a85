import { posix } from "node:path";
import { messageOf } from "../text/error-message.ts";
import type { ArtifactFile, OpenArtifact } from "./artifact.ts";
import { selectPath } from "./artifact.ts";
import { BuildFailed } from "./build-failed.ts";
import { completeKustomization } from "./complete.ts";
import { withDecrypted } from "./decrypted-artifact.ts";
import { kustomizationFileNames, readKustomization, structsOf, textOf, textsOf } from "./kustomization-file.ts";
import type { Struct } from "./shape.ts";
import type { BuildSpec } from "./spec.ts";

/** The formats that SOPS knows a file in. `binary` is what is neither of the others. */
export type FileFormat = "yaml" | "json" | "dotenv" | "ini" | "binary";

/** Decrypts a file that is encrypted in one format into clear text in another. Rejects with a text for the user, without secrets. */
export type DecryptFile = (content: Uint8Array, input: FileFormat, output: FileFormat) => Promise<Uint8Array>;

/** How files are decrypted. The room knows no keys: who builds brings them. */
export type SourceDecryptor = {
  /** The format that a file's name, or a key of a Secret, stands for (KS-093, KS-094). */
  formatForPath(path: string): FileFormat;
  /** Whether a file carries the mark of an encrypted one in this format. */
  isEncrypted(content: Uint8Array, format: FileFormat): boolean;
  decryptFile: DecryptFile;
  /** Ends the decryption early: then its reason is thrown, and no failure of the build. */
  signal?: AbortSignal | undefined;
};

/** Bytes of the largest file that is decrypted (KS-095). */
const sizeLimit = 5 * 1024 * 1024;
/** How many kustomizations one build may reach. */
const kustomizationLimit = 2_000;

/** A walk under way: what was decrypted, and which kustomizations it has seen. */
type Walk = {
  artifact: OpenArtifact;
  decryptor: SourceDecryptor;
  decrypted: Map<string, ArtifactFile>;
  seenFiles: Set<string>;
  seenDirectories: Set<string>;
};

/**
 * Decrypts what the kustomization of `spec.path` makes Secrets and patches of, and so through its local resources and
 * components (KS-094): `secretGenerator[].files`, `secretGenerator[].envs`, `patches[].path`. Gives an artifact of its own,
 * which holds clear text and must not outlive the build; the one given is shared and stays as it is (KS-061). Throws
 * PathNotFound, BuildFailed, or the signal's reason.
 */
export async function decryptSources(
  artifact: OpenArtifact,
  spec: BuildSpec,
  decryptor: SourceDecryptor,
): Promise<OpenArtifact> {
  const directory = selectPath(artifact, spec.path);
  const { kustomization } = completeKustomization(artifact, directory, spec);
  const walk: Walk = {
    artifact,
    decryptor,
    decrypted: new Map(),
    seenFiles: new Set(),
    seenDirectories: new Set([directory]),
  };
  refuseSecondFile(artifact, directory);
  await visit(walk, directory, kustomization);
  return withDecrypted(artifact, walk.decrypted);
}

async function visit(walk: Walk, directory: string, kustomization: Struct): Promise<void> {
  for (const generator of structsOf(kustomization, "secretGenerator")) {
    for (const source of textsOf(generator, "files")) {
      const [key = "", ...path] = source.split("=");
      await decryptReference(
        walk,
        directory,
        path.length > 0 ? path.join("=") : key,
        walk.decryptor.formatForPath(key),
      );
    }
    for (const path of textsOf(generator, "envs")) {
      const format = walk.decryptor.formatForPath(path);
      await decryptReference(walk, directory, path, format === "binary" ? "dotenv" : format);
    }
  }
  for (const patch of structsOf(kustomization, "patches")) {
    const path = textOf(patch, "path");
    if (path !== undefined && !isRemote(path))
      await decryptReference(walk, directory, path, walk.decryptor.formatForPath(path));
  }
  for (const field of ["resources", "components"])
    for (const path of textsOf(kustomization, field)) {
      const located = locate(directory, path);
      if (!walk.artifact.directories.has(located) || walk.seenDirectories.has(located)) continue;
      walk.seenDirectories.add(located);
      if (walk.seenDirectories.size > kustomizationLimit)
        throw failed(`more than ${kustomizationLimit} kustomizations are reached`);
      await visit(walk, located, readLocal(walk.artifact, located));
    }
}

async function decryptReference(walk: Walk, directory: string, path: string, format: FileFormat): Promise<void> {
  const located = locate(directory, path);
  if (walk.seenFiles.has(located)) return;
  walk.seenFiles.add(located);
  const file = walk.artifact.files.get(located);
  if (file === undefined) {
    throw failed(
      walk.artifact.directories.has(located)
        ? "cannot decrypt irregular file as it has file mode type bits set"
        : `lstat ${located}: no such file or directory`,
    );
  }
  const size = file.content.length;
  if (size > sizeLimit) throw failed(`cannot decrypt file with size (${size} bytes) exceeding limit (${sizeLimit})`);
  if (!walk.decryptor.isEncrypted(file.content, format)) return;
  try {
    const content = await walk.decryptor.decryptFile(file.content, format, format);
    walk.decrypted.set(located, { content, executable: file.executable });
  } catch (error) {
    walk.decryptor.signal?.throwIfAborted();
    throw failed(messageOf(error), error);
  }
}

function readLocal(artifact: OpenArtifact, directory: string): Struct {
  refuseSecondFile(artifact, directory);
  const path = kustomizationFileNames
    .map((name) => posix.join(directory, name))
    .find((candidate) => artifact.files.has(candidate));
  const content = path === undefined ? undefined : artifact.files.get(path)?.content;
  if (content === undefined) throw failed("no kustomization file found");
  try {
    return readKustomization(content, "lenient");
  } catch (error) {
    const reason = messageOf(error);
    throw failed(`failed to unmarshal kustomization file from '${path}': ${reason}`, error);
  }
}

function refuseSecondFile(artifact: OpenArtifact, directory: string): void {
  const found = kustomizationFileNames.filter((name) => artifact.files.has(posix.join(directory, name)));
  if (found.length > 1) throw failed("found multiple kustomization files");
}

/** Where a path lies in the artifact; one that leaves its root, or is absolute, ends at the root. The build refuses such paths. */
function locate(directory: string, path: string): string {
  const segments: string[] = [];
  for (const segment of (path.startsWith("/") ? path : `${directory}/${path}`).split("/")) {
    if (segment === "..") segments.pop();
    else if (segment !== "" && segment !== ".") segments.push(segment);
  }
  return segments.join("/");
}

function isRemote(path: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\/[^/?#]/i.test(path);
}

function failed(reason: string, cause?: unknown): BuildFailed {
  return new BuildFailed(`error decrypting sources: ${reason}`, { cause });
}
