import type { Config, Key, PublicKey, Signature, SignaturePacket } from "openpgp";
import { messageOf } from "../text/error-message.ts";

/** The most characters of an armored signature. */
const sizeLimit = 256 * 1024;

/**
 * What Flux's OpenPGP accepts: keys of every algorithm and curve that this one can compute, and SHA-1, by which Git itself names
 * what is signed; signatures with MD5 or RIPEMD-160 are none.
 */
function lenient({ config, enums }: Pick<typeof import("openpgp"), "config" | "enums">): Config {
  return {
    ...config,
    minRSABits: 1024,
    rejectPublicKeyAlgorithms: new Set(),
    rejectCurves: new Set(),
    rejectMessageHashAlgorithms: new Set([enums.hash.md5, enums.hash.ripemd]),
  };
}

/**
 * Verifies a detached OpenPGP signature by armored key rings, one after the other (GIT-081), and gives the id of the primary key
 * that made it, in 16 hexadecimal digits (GIT-073). A key that has expired or is revoked by now verifies nothing, whenever it
 * signed. Rejects with Flux's words.
 */
export async function verifyPgpSignature(
  signature: string,
  payload: Uint8Array,
  keyRings: readonly string[],
  now: Date,
): Promise<string> {
  const { readSignature } = await import("openpgp");
  const noMatch = new Error("unable to verify payload with any of the given key rings: no matching key");
  if (signature.length > sizeLimit) throw noMatch;
  const rings: Key[][] = [];
  let unreadable: Error | undefined;
  for (const ring of keyRings) {
    try {
      rings.push(await readRing(ring));
    } catch (error) {
      unreadable ??= new Error(`unable to read armored key ring: ${messageOf(error)}`);
    }
  }
  if (rings.length === 0 && unreadable !== undefined) throw unreadable;
  let parsed: Signature;
  try {
    parsed = await readSignature({ armoredSignature: signature.trim() });
  } catch (error) {
    throw new Error(noMatch.message, { cause: error });
  }
  for (const ring of rings) {
    const signer = await signerOf(parsed, payload, ring, now);
    if (signer !== undefined) return signer.getKeyID().toHex().toUpperCase();
  }
  throw noMatch;
}

/** The keys of the first armored block: what comes behind it counts for nothing, as in Flux. Rejects without a part of it. */
async function readRing(ring: string): Promise<Key[]> {
  const { readKeys } = await import("openpgp");
  if (!/-----BEGIN PGP [A-Z ]+-----/.test(ring)) throw new Error("openpgp: invalid argument: no armored data found");
  let keys: Key[] = [];
  try {
    keys = await readKeys({ armoredKeys: ring });
  } catch {
    // What it says may quote the entry.
  }
  if (keys.length === 0) throw new Error("openpgp: invalid data: no public key found");
  return keys;
}

/** More signatures of one object than anybody makes: the rest is not looked at. */
const signatureLimit = 32;

/** The key of a ring that made the signature: the first signature by a known key decides. */
async function signerOf(
  parsed: Signature,
  payload: Uint8Array,
  ring: readonly Key[],
  now: Date,
): Promise<PublicKey | undefined> {
  const packets = parsed.packets.slice(0, signatureLimit);
  for (const packet of packets) {
    const makers = ring.filter((key) => key.getKeys(packet.issuerKeyID).length > 0);
    for (const maker of makers) {
      // Another key of the same id may have made it.
      if (await hasSigned(maker, packet, payload, now)) return maker;
    }
    if (makers.length > 0) return undefined;
  }
  return undefined;
}

async function hasSigned(maker: Key, packet: SignaturePacket, payload: Uint8Array, now: Date): Promise<boolean> {
  const { config: defaults, createMessage, enums, PacketList, Signature, verify } = await import("openpgp");
  const config = lenient({ config: defaults, enums });
  try {
    const only = new PacketList<SignaturePacket>();
    only.push(packet);
    const signature = new Signature(only);
    const verificationKeys = maker.toPublic();
    const message = await createMessage({ binary: Uint8Array.from(payload) });
    const { signatures } = await verify({ message, signature, verificationKeys, date: now, config });
    if (signatures.length !== 1 || (await signatures[0]?.verified) !== true) return false;
    // That the key was good when it signed is verified above; Flux wants it to be good still.
    await verificationKeys.getSigningKey(packet.issuerKeyID, now, undefined, config);
    return true;
  } catch {
    return false;
  }
}
