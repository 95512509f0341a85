import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import type { Context } from "../../engine/reconciler.ts";
import { tokenOf } from "../../engine/token.ts";
import { createTokenCache, type Ending, type TokenCache } from "../../identity/token-cache.ts";
import type { Json } from "../../platform/ports.ts";
import { rememberTokens } from "./told-secrets.ts";

/** What tokens are kept with. */
export type KeptTokenContext = Pick<Context, "clusterId" | "records" | "secrets" | "settings" | "clock" | "log">;

/** A short-lived credential as a JSON object. */
export type TokenValue = { [field: string]: Json };

const ofProcess = createTokenCache();
/** A token is renewed when four fifths of its life are over, as kubelet does. */
const usedShare = 0.8;

/**
 * A short-lived token that was kept under a key, or the one that `ask` gives: in memory while the function is warm (SEC-010), and encrypted in
 * the records beyond (SN-008), for at most `--token-cache-max-duration` and four fifths of its life. The key's parts name the
 * provider, the identity, the proxy, the audience and what else the token depends on; they may be secret, and neither they nor
 * the token can be told from a record without the deployment's seed. `--token-cache-max-size=0` keeps nothing. Throws what
 * `ask` throws; records that cannot be read or written cost a request, never more.
 */
export async function keptToken<T extends TokenValue>(
  context: KeptTokenContext,
  key: readonly string[],
  ask: () => Promise<Ending<T>>,
  memory: TokenCache = ofProcess,
): Promise<T> {
  const token = await keptOrAsked(context, key, ask, memory);
  rememberTokens(token);
  return token;
}

function keptOrAsked<T extends TokenValue>(
  context: KeptTokenContext,
  key: readonly string[],
  ask: () => Promise<Ending<T>>,
  memory: TokenCache,
): Promise<T> {
  const { tokenCacheMaxSize: size, tokenCacheMaxSeconds } = context.settings;
  const milliseconds = tokenCacheMaxSeconds * 1000;
  if (size === 0 || milliseconds === 0) return ask().then(({ value }) => value);
  return memory.get(context.clusterId, JSON.stringify(key), { size, milliseconds }, async () => {
    const place = await placeOf(context, key);
    if (place === undefined) return ask();
    const found = await load<T>(context, place);
    if (found !== undefined) return found;
    const askedAt = context.clock.now().getTime();
    const answer = await ask();
    const life = Math.min((answer.expiresAt.getTime() - askedAt) * usedShare, milliseconds);
    if (life > 0) await save(context, place, { value: answer.value, until: askedAt + life });
    return answer;
  });
}

type Place = { record: string; secret: Buffer };

/** Where a token is kept, and what it is encrypted with; undefined where the deployment has no seed. */
async function placeOf(context: KeptTokenContext, key: readonly string[]): Promise<Place | undefined> {
  const seed = (await context.secrets.read("admission-seed"))?.trim();
  if (seed === undefined || seed.length < 16) return undefined;
  const name = tokenOf(seed, `kept-token-name/${JSON.stringify([context.clusterId, ...key])}`);
  const secret = Buffer.from(tokenOf(seed, "kept-token-encryption"), "base64url");
  return { record: `tokens/${context.clusterId}/${name}`, secret };
}

async function load<T extends TokenValue>(context: KeptTokenContext, place: Place): Promise<Ending<T> | undefined> {
  try {
    const stored = (await context.records.get(place.record))?.value;
    if (typeof stored !== "object" || stored === null || Array.isArray(stored)) return undefined;
    const opened = open(String(stored.sealed ?? ""), place);
    if (opened === undefined || opened.until <= context.clock.now().getTime()) return undefined;
    // What this key opens under this name was sealed by `save` under the same key, by the same code.
    return { value: opened.value as T, expiresAt: new Date(opened.until) };
  } catch (error) {
    context.log.warn("a kept token could not be read", { error: error instanceof Error ? error.message : "" });
    return undefined;
  }
}

async function save(context: KeptTokenContext, place: Place, kept: Kept): Promise<void> {
  try {
    await context.records.put(
      place.record,
      { until: new Date(kept.until).toISOString(), sealed: seal(kept, place) },
      "any",
    );
  } catch (error) {
    context.log.warn("a token could not be kept", { error: error instanceof Error ? error.message : "" });
  }
}

type Kept = { value: TokenValue; until: number };

/** AES-256-GCM with a random nonce; the record's name is authenticated, so that one token is never another's. */
function seal(kept: Kept, { record, secret }: Place): string {
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", secret, nonce).setAAD(Buffer.from(record));
  const sealed = Buffer.concat([cipher.update(JSON.stringify(kept), "utf8"), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString("base64");
}

function open(text: string, { record, secret }: Place): Kept | undefined {
  const bytes = Buffer.from(text, "base64");
  if (bytes.length < 28) return undefined;
  const decipher = createDecipheriv("aes-256-gcm", secret, bytes.subarray(0, 12), { authTagLength: 16 });
  decipher.setAAD(Buffer.from(record)).setAuthTag(bytes.subarray(12, 28));
  const plain: unknown = JSON.parse(
    Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString("utf8"),
  );
  if (typeof plain !== "object" || plain === null || !("value" in plain) || !("until" in plain)) return undefined;
  const { value, until } = plain;
  if (typeof value !== "object" || value === null || typeof until !== "number") return undefined;
  return { value: value as TokenValue, until };
}
