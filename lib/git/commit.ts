import { GitError } from "./git-error.ts";

/** What is used of a commit. `committed` is in seconds since 1970, `subject` the first line of the message. */
export type Commit = { tree: string; parents: string[]; committed: number; subject: string };

/** Reads a commit object (its bytes without the object's header). Throws GitError `corrupt`. */
export function parseCommit(content: Buffer): Commit {
  const end = content.indexOf("\n\n");
  const head = (end < 0 ? content : content.subarray(0, end)).toString("utf8");
  const message = end < 0 ? "" : content.subarray(end + 2).toString("utf8");
  const tree = /^tree ([0-9a-f]{40})(?:\n|$)/.exec(head)?.[1];
  if (tree === undefined) throw new GitError("corrupt", "a commit names no tree");
  const parents = [...head.matchAll(/^parent ([0-9a-f]{40})$/gm)].flatMap(([, id]) => (id === undefined ? [] : [id]));
  const committed = Number(/^committer .*> (-?\d+) [+-]\d{4}$/m.exec(head)?.[1] ?? 0);
  return { tree, parents, committed, subject: message.split("\n", 1)[0] ?? "" };
}
