import { messageOf } from "../text/error-message.ts";
import { type ChartFile, type ChartLimits, chartEntries, wholeOf, withoutMark } from "./archive.ts";
import { helmIgnoreFile, parseHelmIgnore } from "./helm-ignore.ts";
import { type Chart, loadArchive, loadFiles } from "./load.ts";
import { type ChartMetadata, readMetadata } from "./metadata.ts";

/** A file of a source. Without content it is larger than anything that a chart may need. */
type TreeFile = { size: number; content: Buffer | undefined };

/** Some paths of a source's artifact with all that is below them. Paths are relative to its root, which is the empty string. */
export type Tree = {
  files: ReadonlyMap<string, TreeFile>;
  directories: ReadonlySet<string>;
};

/** A source's artifact, from which only what is asked for is unpacked into memory (SN-007). */
export type SourceTree = { select(paths: readonly string[]): Promise<Tree> };

/** Bytes that are unpacked of an artifact in all, and kept of it at most. */
const treeLimit = 4 * 1024 * 1024 * 1024;
const keptLimit = 256 * 1024 * 1024;

/** Opens a tar.gz as artifacts are. Links were left out when it was made, and are here. */
export function sourceTree(tarGz: Uint8Array, limits: ChartLimits, signal: AbortSignal): SourceTree {
  return {
    select: async (paths) => {
      const files = new Map<string, TreeFile>();
      const directories = new Set<string>([""]);
      let kept = 0;
      const isWanted = (path: string) =>
        paths.some((wanted) => wanted === "" || path === wanted || path.startsWith(`${wanted}/`));
      const bounds = { unpacked: treeLimit, tooLarge: "the source's artifact is too large to be unpacked" };
      for await (const { name, type, size, content } of chartEntries(tarGz, bounds, signal)) {
        const path = name.replace(/^(?:\.\/)+|\/+$/g, "");
        if (path === "." || path.split("/").includes("..") || path.startsWith("/") || !isWanted(path)) continue;
        if (type === "directory") addDirectory(directories, path);
        if (type !== "file") continue;
        addDirectory(directories, path.slice(0, Math.max(path.lastIndexOf("/"), 0)));
        const isKept = size <= Math.max(limits.chart, limits.file);
        if (isKept) kept += size;
        if (kept > keptLimit) throw new Error(`a chart may have at most ${keptLimit} bytes of files`);
        files.set(path, { size, content: isKept ? await wholeOf(content()) : undefined });
      }
      return { files, directories };
    },
  };
}

function addDirectory(directories: Set<string>, path: string): void {
  for (let at = path; at !== ""; at = at.slice(0, Math.max(at.lastIndexOf("/"), 0))) directories.add(at);
}

/** What is at the path of a chart: HC-020. */
export type ChartAt = { isDirectory: true } | { isDirectory: false; archive: Buffer };

/**
 * What is at a path of a source: a directory, or a packaged chart. Throws where there is neither, or the file is larger than a
 * packaged chart may be.
 */
export function chartAt(tree: Tree, path: string, limits: ChartLimits): ChartAt {
  const file = tree.files.get(path);
  if (file !== undefined) {
    if (file.content === undefined || file.size > limits.chart)
      throw new Error(`size of chart '${path.slice(path.lastIndexOf("/") + 1)}' exceeds '${limits.chart}' bytes limit`);
    return { isDirectory: false, archive: file.content };
  }
  if (!tree.directories.has(path)) throw new Error(`stat /${path}: no such file or directory`);
  return { isDirectory: true };
}

/** The metadata of a chart's directory, whatever its `.helmignore` says. Throws with a sentence where it is no chart (HC-021). */
export function directoryMetadata(tree: Tree, path: string, limits: ChartLimits): ChartMetadata {
  const files: ChartFile[] = [];
  for (const name of ["Chart.yaml", "requirements.yaml"]) {
    const file = tree.files.get(below(path, name));
    if (file === undefined) {
      if (name === "Chart.yaml") throw new Error(`open /${below(path, name)}: no such file or directory`);
      continue;
    }
    if (file.content === undefined || file.size > limits.file)
      throw new Error(`size of '${name}' exceeds '${limits.file}' bytes limit`);
    files.push({ name, content: file.content });
  }
  try {
    return readMetadata(files);
  } catch (error) {
    // Of a directory, the name of the file is quoted.
    const words = messageOf(error);
    throw new Error(words.replace(/^cannot load ([\w.]+):/, "cannot load '$1':"), { cause: error });
  }
}

/**
 * Loads the chart at a path of a source, a directory or an archive (HC-022). Of a directory, what its `.helmignore` matches is left
 * out (IGN-013), and files beyond the limit fail. Throws with a sentence.
 */
export async function loadChartAt(tree: Tree, path: string, limits: ChartLimits, signal: AbortSignal): Promise<Chart> {
  const found = chartAt(tree, path, limits);
  if (!found.isDirectory) return loadArchive(found.archive, limits, signal);
  let files: ChartFile[];
  try {
    files = directoryFiles(tree, path, limits);
  } catch (error) {
    throw new Error(`failed to load files from /${path}: ${messageOf(error)}`, { cause: error });
  }
  try {
    return await loadFiles(files, limits, signal);
  } catch (error) {
    throw new Error(`failed to load chart from /${path}: ${messageOf(error)}`, { cause: error });
  }
}

function directoryFiles(tree: Tree, path: string, limits: ChartLimits): ChartFile[] {
  const rules = tree.files.get(below(path, helmIgnoreFile))?.content?.toString("utf8") ?? "";
  const isIgnored = parseHelmIgnore(rules);
  const skipped = new Map<string, boolean>();
  const isSkipped = (directory: string): boolean => {
    if (directory === "") return false;
    const known = skipped.get(directory);
    if (known !== undefined) return known;
    const result = isSkipped(parentOf(directory)) || isIgnored(directory, true);
    skipped.set(directory, result);
    return result;
  };
  const files: ChartFile[] = [];
  const prefix = path === "" ? "" : `${path}/`;
  const names = [...tree.files.keys()].filter((name) => name.startsWith(prefix));
  for (const full of names.sort(byNames)) {
    const name = full.slice(prefix.length);
    if (isSkipped(parentOf(name)) || isIgnored(name, false)) continue;
    const file = tree.files.get(full);
    if (file?.content === undefined || file.size > limits.file)
      throw new Error(`cannot load file ${name} as file size (${file?.size}) exceeds limit (${limits.file})`);
    files.push({ name, content: withoutMark(file.content) });
  }
  return files;
}

/** The order of a walk that goes through each directory by the bytes of its names. */
function byNames(a: string, b: string): number {
  const [left, right] = [a.split("/"), b.split("/")];
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const order = Buffer.compare(Buffer.from(left[index] ?? ""), Buffer.from(right[index] ?? ""));
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

function below(directory: string, name: string): string {
  return directory === "" ? name : `${directory}/${name}`;
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf("/"), 0));
}
