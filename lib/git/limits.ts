/** Bounds of what is read from a server. Sizes are in bytes, times in milliseconds. */
export type GitLimits = {
  /** Capability advertisement. */
  advertisement: number;
  /** Answer to ls-refs, as a size and as a number of references. */
  listing: number;
  references: number;
  /** A pack as it is sent. */
  pack: number;
  /** Of a pack that is kept in memory; a larger one is in a file meanwhile. */
  memory: number;
  /** Objects in a pack. */
  objects: number;
  /** One object, unpacked, that has to be in memory: all but blobs that are stored whole, which are read in pieces. */
  object: number;
  /** All objects of a pack, unpacked. */
  unpacked: number;
  /** Unpacked content that is kept in memory; what is beyond is unpacked again where it is needed. */
  kept: number;
  /** Deltas on deltas; git itself makes 50, and 4095 where it is told to. */
  deltaChain: number;
  /** Trees in trees. */
  treeDepth: number;
  /** Files and directories of one commit. */
  files: number;
  /** The content of these files: many may be the same object. */
  content: number;
  /** A path within the repository. Linux allows 4096. */
  path: number;
  /** How long a server may be silent. */
  silence: number;
};

/** Bounds that a repository of two gigabytes fits in, with at most 512 MB of memory (GE-011). */
export const defaultLimits: GitLimits = {
  advertisement: 1024 * 1024,
  listing: 64 * 1024 * 1024,
  references: 500_000,
  pack: 2560 * 1024 * 1024,
  memory: 48 * 1024 * 1024,
  objects: 1_000_000,
  object: 128 * 1024 * 1024,
  unpacked: 4 * 1024 * 1024 * 1024,
  kept: 96 * 1024 * 1024,
  deltaChain: 4095,
  treeDepth: 256,
  files: 1_000_000,
  content: 4 * 1024 * 1024 * 1024,
  path: 4096,
  silence: 30_000,
};
