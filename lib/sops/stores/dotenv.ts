import { type Documents, type Entry, isBranch, isList, isRemark, type Remark, textOrBytes } from "../tree.ts";
import { plainBytes } from "./plain-text.ts";
import type { Store } from "./store.ts";

/** Lines of `KEY=value`, in which `\n` stands for a line break, and nothing else for anything. */
export const dotenvStore: Store = { parse: parseDotenv, emit: emitDotenv, metadata: "prefixed" };

function parseDotenv(content: Uint8Array): Documents {
  const lines = Buffer.from(content).toString("latin1").split("\n");
  const items = lines.flatMap((line, index): (Entry | Remark)[] => {
    if (line === "") return [];
    if (line.startsWith("#")) return [{ comment: utf8(line.slice(1)) }];
    const sign = line.indexOf("=");
    if (sign === -1) throw new Error(`invalid dotenv input line: line ${index + 1} has no '='`);
    const value = textOrBytes(Buffer.from(line.slice(sign + 1).replaceAll("\\n", "\n"), "latin1"));
    return [{ key: utf8(line.slice(0, sign)), value }];
  });
  return [{ items }];
}

function utf8(latin1: string): string {
  return Buffer.from(latin1, "latin1").toString("utf8");
}

function emitDotenv([first = { items: [] }]: Documents): Uint8Array {
  const lines = first.items.flatMap((item): Uint8Array[] => {
    if (isRemark(item)) return [Buffer.from(`#${item.comment}\n`)];
    if (isBranch(item.value) || isList(item.value))
      throw new Error(`cannot use complex value in dotenv file; offending key ${item.key.slice(0, 200)}`);
    const value = Buffer.from(plainBytes(item.value)).toString("latin1").replaceAll("\n", "\\n");
    return [Buffer.from(`${item.key}=`), Buffer.from(`${value}\n`, "latin1")];
  });
  return Buffer.concat(lines);
}
