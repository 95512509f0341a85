import { createHmac } from "node:crypto";
import type { SecretReader } from "../platform/ports.ts";

/**
 * What the deployment's seed makes of a text: 256 bits as base64url that nobody can guess who has not the seed. The text begins
 * with what the token is for, so that one of another use never fits. Throws for a seed that could be guessed.
 */
export function tokenOf(seed: string, text: string): string {
  if (seed.length < 16) throw new Error("the admission seed is shorter than 16 characters: anybody could guess it");
  return createHmac("sha256", seed).update(text).digest("base64url");
}

/**
 * The part of an artifact's address that nobody can guess (TM-002, TM-004): the same for the same key of the store, for as long
 * as the deployment keeps its seed. Throws where the deployment has none.
 */
export async function artifactToken(secrets: SecretReader, key: string): Promise<string> {
  const seed = await secrets.read("admission-seed");
  if (seed === undefined)
    throw new Error("the deployment has no secret admission-seed, of which the addresses of artifacts are made");
  return tokenOf(seed.trim(), `artifact/${key}`);
}
