import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { type Expectation, type Json, RecordConflict, type RecordStore } from "../ports.ts";
import { isAbsent, storagePath } from "./storage-path.ts";

/**
 * Records as JSON files below `directory`. The version of a record is the digest of its text, as S3's is: whoever expects
 * it expects this state, whichever way it came about. Reading, comparing and writing are one synchronous step, which makes
 * compare-and-set atomic in this process; the host sees to it that no other process has the directory.
 */
export function createLocalRecordStore(directory: string): RecordStore {
  const pathOf = (key: string) => `${storagePath(directory, key)}.json`;

  function read(key: string): { text: string; version: string } | undefined {
    try {
      const text = readFileSync(pathOf(key), "utf8");
      return { text, version: versionOf(text) };
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }

  function check(key: string, expect: Expectation): void {
    if (expect === "any") return;
    const version = read(key)?.version;
    if (expect === "absent" ? version !== undefined : version !== expect.version) throw new RecordConflict(key);
  }

  return {
    get: async (key) => {
      const found = read(key);
      return found === undefined ? undefined : { value: parse(key, found.text), version: found.version };
    },
    put: async (key, value, expect) => {
      check(key, expect);
      const text = JSON.stringify(value);
      writeWhole(pathOf(key), text);
      return versionOf(text);
    },
    remove: async (key, expect) => {
      const found = read(key);
      if (found === undefined) return;
      if (expect !== "any" && found.version !== expect.version) throw new RecordConflict(key);
      rmSync(pathOf(key), { force: true });
    },
  };
}

/** The write is one synchronous step of one process, so that one temporary name a record is enough. */
function writeWhole(path: string, text: string): void {
  const temporary = `${path}~`;
  try {
    writeFileSync(temporary, text, { mode: 0o600 });
  } catch (error) {
    if (!isAbsent(error)) throw error;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(temporary, text, { mode: 0o600 });
  }
  renameSync(temporary, path);
}

function parse(key: string, text: string): Json {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`the record ${key} is not JSON: remove its file, and its next writer starts it anew`, {
      cause: error,
    });
  }
}

function versionOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
