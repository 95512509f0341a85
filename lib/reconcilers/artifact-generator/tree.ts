/** A file of a tree; its bytes are read when they are needed. */
export type TreeFile = { type: "file"; executable: boolean; size: number; read: () => Buffer };

/** A directory, with what it holds by name. */
export type Tree = { type: "directory"; children: Map<string, TreeFile | Tree> };

/** What the file system would say, in Go's words. */
export class TreeError extends Error {
  readonly what: "missing" | "no-directory" | "directory" | "escape";

  constructor(what: TreeError["what"], message: string) {
    super(message);
    this.name = "TreeError";
    this.what = what;
  }
}

/** An empty directory. */
export function emptyTree(): Tree {
  return { type: "directory", children: new Map() };
}

/** As Go's `filepath.Clean`: `.` and `..` are resolved as far as they can be; empty is `.`. */
export function cleanPath(path: string): string {
  const isAbsolute = path.startsWith("/");
  const kept: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") kept.push(part);
    else if (kept.length > 0 && kept.at(-1) !== "..") kept.pop();
    else if (!isAbsolute) kept.push("..");
  }
  return isAbsolute ? `/${kept.join("/")}` : kept.join("/") || ".";
}

/** As Go's `filepath.Join`: empty elements count for nothing. */
export function joinPath(...parts: string[]): string {
  const joined = parts.filter((part) => part !== "").join("/");
  return joined === "" ? "" : cleanPath(joined);
}

/** The last name of a path; `.` of none. */
export function baseName(path: string): string {
  return path.slice(path.replace(/\/+$/, "").lastIndexOf("/") + 1) || ".";
}

/** The names of a path within a tree. Throws TreeError for one that leads out of it (AG-029). */
export function namesOf(path: string, operation: string): string[] {
  const clean = cleanPath(path);
  const leadsOut = /^(\/|\.\.(?=\/|$))/.exec(clean)?.[0];
  // Directories are made from the outermost on.
  if (leadsOut !== undefined)
    throw new TreeError(
      "escape",
      `${operation} ${operation === "mkdirat" ? leadsOut : clean}: path escapes from parent`,
    );
  return clean === "." ? [] : clean.split("/");
}

/** What is at a path, or undefined. Throws TreeError for a path that leads out. */
export function nodeAt(tree: Tree, path: string, operation = "statat"): TreeFile | Tree | undefined {
  let node: TreeFile | Tree | undefined = tree;
  for (const name of namesOf(path, operation)) {
    if (node?.type !== "directory") return undefined;
    node = node.children.get(name);
  }
  return node;
}

/** Makes a directory with all above it; what is there stays. Throws TreeError, also where a file is in the way of what comes below it. */
export function makeDirectory(tree: Tree, path: string): void {
  const names = namesOf(path, "mkdirat");
  let directory = tree;
  for (const [index, name] of names.entries()) {
    const known = directory.children.get(name);
    if (known?.type === "file") {
      // As with mkdir, what is there already is not looked at any closer.
      if (index === names.length - 1) return;
      throw new TreeError("no-directory", `mkdirat ${names.join("/")}: not a directory`);
    }
    const next: Tree = known ?? emptyTree();
    directory.children.set(name, next);
    directory = next;
  }
}

/** Puts a file where its directory is. Throws TreeError where that cannot be. */
export function putFile(tree: Tree, path: string, file: TreeFile): void {
  const names = namesOf(path, "openat");
  const last = names.pop();
  const parent = nodeAt(tree, names.join("/"), "openat");
  if (last === undefined || parent === undefined)
    throw new TreeError("missing", `openat ${cleanPath(path)}: no such file or directory`);
  if (parent.type === "file") throw new TreeError("no-directory", `openat ${cleanPath(path)}: not a directory`);
  if (parent.children.get(last)?.type === "directory")
    throw new TreeError("directory", `openat ${cleanPath(path)}: is a directory`);
  parent.children.set(last, file);
}

/** The children of a directory in the order of their names' bytes. */
export function childrenOf(tree: Tree): [string, TreeFile | Tree][] {
  return [...tree.children].sort(([a], [b]) => compareNames(a, b));
}

/** Every path below a directory, each directory before what it holds, in the order of names (`fs.WalkDir`). */
export function* walkTree(tree: Tree, prefix = ""): Generator<[path: string, node: TreeFile | Tree]> {
  for (const [name, node] of childrenOf(tree)) {
    const path = prefix === "" ? name : `${prefix}/${name}`;
    yield [path, node];
    if (node.type === "directory") yield* walkTree(node, path);
  }
}

/** The order of Go's strings: that of their bytes. */
export function compareNames(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
