/**
 * The files of an artifact, in memory. Paths are relative to its root, separated by `/`, without `.`, `..` or a slash at
 * either end; the root itself is the empty string, which `directories` always holds.
 */
export type OpenArtifact = {
  readonly files: ReadonlyMap<string, ArtifactFile>;
  readonly directories: ReadonlySet<string>;
};

/** A regular file of an artifact. */
export type ArtifactFile = { readonly content: Uint8Array; readonly executable: boolean };

/** What an artifact may cost: bytes of all files together once unpacked, and number of files and directories. */
export type ArtifactLimits = { bytes: number; entries: number };

/** The archive is no artifact: not a tar.gz, beyond a limit, or with a path that leaves its root. The message says which. */
export class InvalidArtifact extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "InvalidArtifact";
  }
}

/** `spec.path` is not in the artifact: Ready=False `ArtifactFailed` with this message (KS-028). */
export class PathNotFound extends Error {
  constructor(path: string) {
    super(`kustomization path not found: stat ${path}: no such file or directory`);
    this.name = "PathNotFound";
  }
}

/**
 * Unpacks an artifact into memory. Symbolic links and everything else that is neither file nor directory are left out
 * (KS-027). Throws InvalidArtifact for a hostile or broken archive.
 */
export function openArtifact(_tarGz: Uint8Array, _limits?: Partial<ArtifactLimits>): Promise<OpenArtifact> {
  throw new InvalidArtifact("not yet");
}

/**
 * The directory of the artifact that `spec.path` means, joined so that neither `..` nor a leading slash leaves the root
 * (KS-028). Throws PathNotFound. Called by `inputDigest` and `build` themselves; a caller that must know before the build
 * whether the path is there (KS-225) calls it first.
 */
export function selectPath(_artifact: OpenArtifact, path: string | undefined): string {
  throw new PathNotFound(path ?? "");
}
