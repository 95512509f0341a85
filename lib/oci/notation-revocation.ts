import { verify } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { ask, readBody } from "../platform/ask.ts";
import { messageOf } from "../text/error-message.ts";
import { type DerValue, derTags, oidText, readDer } from "./der.ts";
import { type Certificate, readExtensions, usages } from "./notation-certificate.ts";
import { signatureDigests } from "./signature-algorithms.ts";
import { VerificationError } from "./verification-error.ts";

/** Says for whom the list is, which is all that may be critical in one. */
const issuingPoint = "2.5.29.28";
/** A list's size, how many places it is looked for in, and how long each may be silent or take, in milliseconds. */
const limits = { bytes: 8 * 1024 * 1024, places: 3, silence: 2_000, each: 5_000 };

/**
 * Shows of every certificate of a chain but the authority's own that it was not revoked (Notary Project, trust policy specification),
 * by the lists that they name (RFC 5280, section 5). What names nobody cannot be revoked. Servers of OCSP are not asked: where a
 * certificate names no list besides, nothing is known of it. Throws VerificationError, and the signal's reason.
 */
export async function checkRevocation(
  chain: readonly Certificate[],
  now: number,
  signal: AbortSignal,
  log: (words: string) => void,
  kind: "signing" | "timestamping" = "signing",
): Promise<void> {
  for (const [index, certificate] of chain.entries()) {
    const issuer = chain[index + 1];
    if (issuer === undefined || !certificate.isRevocable) continue;
    const isRevoked = await ofFirstList(certificate, issuer, now, signal, log);
    if (isRevoked === false) continue;
    const state = isRevoked === undefined ? "revocation status is unknown" : "is revoked";
    throw new VerificationError(`${kind} certificate with subject ${certificate.told} ${state}`);
  }
}

/** Whether it is on the first list that can be had; undefined where none can. */
async function ofFirstList(
  certificate: Certificate,
  issuer: Certificate,
  now: number,
  signal: AbortSignal,
  log: (words: string) => void,
): Promise<boolean | undefined> {
  for (const address of certificate.revocationLists.slice(0, limits.places)) {
    try {
      return isListed(certificate, await fetchList(address, signal), issuer, now);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const why = messageOf(error);
      log(`the list of revoked certificates at ${address.slice(0, 200)} is of no use: ${why}`);
    }
  }
  return undefined;
}

async function fetchList(address: string, signal: AbortSignal): Promise<Buffer> {
  const url = URL.parse(address);
  if (url === null || !/^https?:$/.test(url.protocol)) throw new Error("it is not at an address of HTTP");
  const ends = AbortSignal.any([signal, AbortSignal.timeout(limits.each)]);
  const answer = await ask({ method: "GET", url, signal: ends, silence: limits.silence });
  if (answer.statusCode === 200) return readBody(answer, limits.bytes);
  answer.destroy();
  throw new Error(`the server answers ${answer.statusCode}`);
}

/** Whether a list has a certificate. Throws a sentence for a list that is not the issuer's own, or not of now. */
export function isListed(certificate: Certificate, der: Buffer, issuer: Certificate, now: number): boolean {
  const [outer, ...after] = readDer(der);
  const [body, algorithm, signature, ...more] = readDer(outer?.content ?? Buffer.alloc(0));
  const tags = [outer, body, algorithm, signature].map((value) => value?.tag);
  const isList = isDeepStrictEqual(tags, [derTags.sequence, derTags.sequence, derTags.sequence, derTags.bits]);
  if (!isList || body === undefined || algorithm === undefined || signature === undefined)
    throw new Error("it is malformed");
  const fields = readDer(body.content);
  const [stated, name, since, ...rest] = fields.slice(fields[0]?.tag === derTags.integer ? 1 : 0);
  if (after.length + more.length > 0 || signature.content[0] !== 0 || stated?.bytes.equals(algorithm.bytes) !== true)
    throw new Error("it is malformed");
  if (name?.bytes.equals(issuer.subjectName) !== true) throw new Error("it is of another issuer");
  if (((issuer.keyUsage?.bits ?? 0) & usages.listSign) === 0) throw new Error("its issuer may not issue lists");
  const digest = signatureDigests[oidText(readDer(algorithm.content)[0]?.content ?? Buffer.alloc(0))];
  if (digest === undefined) throw new Error("it is signed by an algorithm that is not supported");
  if (!verify(digest, body.bytes, issuer.x509.publicKey, signature.content.subarray(1)))
    throw new Error("its signature is not of its issuer");
  const until = isTime(rest[0]) ? rest.shift() : undefined;
  if (until === undefined || now > timeOf(until)) throw new Error("it is out of date");
  if (now < timeOf(since)) throw new Error("it is not of use yet");
  checkExtensions(rest.find(({ tag }) => tag === 0xa0));
  const revoked = rest.find(({ tag }) => tag === derTags.sequence);
  const entries = revoked === undefined ? [] : readDer(revoked.content);
  return entries.some(({ content }) => readDer(content)[0]?.content.equals(certificate.serial) === true);
}

function checkExtensions(tagged: DerValue | undefined): void {
  for (const [oid, { isCritical }] of readExtensions(tagged))
    if (isCritical && oid !== issuingPoint)
      throw new Error(`it has a critical extension that is not supported: ${oid}`);
}

const times = { utc: 0x17, generalized: 0x18 };

function isTime(value: DerValue | undefined): boolean {
  return value !== undefined && (value.tag === times.utc || value.tag === times.generalized);
}

/** UTCTime or GeneralizedTime as RFC 5280 has them: in whole seconds of UTC. */
function timeOf(value: DerValue | undefined): number {
  const text = value?.content.toString("latin1") ?? "";
  const [, year = "", ...parts] =
    (value?.tag === times.utc
      ? /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/
      : /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/
    ).exec(text) ?? [];
  const full = year.length === 2 ? `${Number(year) < 50 ? "20" : "19"}${year}` : year;
  const [month, day, hour, minute, second] = parts;
  const time = Date.parse(`${full}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(time)) throw new Error("it has a malformed date");
  return time;
}
