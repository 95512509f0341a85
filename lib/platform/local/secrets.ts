import { randomBytes } from "node:crypto";
import { link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { SecretReader } from "../ports.ts";
import { isAbsent, storagePath } from "./storage-path.ts";

/** Secrets as files below `directory`, readable by their owner alone; a line end after the text is not part of it. */
export function createLocalSecrets(directory: string): SecretReader {
  return {
    read: async (name) => {
      try {
        return (await readFile(storagePath(directory, name), "utf8")).replace(/\r?\n$/, "");
      } catch (error) {
        if (isAbsent(error)) return undefined;
        throw error;
      }
    },
  };
}

/** The secret of that name, made now from 32 random bytes (hex) where there is none: it stays the same over restarts. */
export async function keepLocalSecret(directory: string, name: string): Promise<string> {
  const secrets = createLocalSecrets(directory);
  const kept = await secrets.read(name);
  if (kept !== undefined) return kept;
  const path = storagePath(directory, name);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  // A link appears whole and only where there is none: nobody reads half a secret, nor is one replaced.
  const temporary = `${path}~${randomBytes(6).toString("hex")}`;
  await writeFile(temporary, randomBytes(32).toString("hex"), { mode: 0o600 });
  try {
    await link(temporary, path);
  } catch (error) {
    // Another caller made it first: both then read the same.
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  } finally {
    await rm(temporary, { force: true });
  }
  const made = await secrets.read(name);
  if (made === undefined) throw new Error(`the secret ${name} could not be kept`);
  return made;
}
