import { createDecipheriv } from "node:crypto";
import { isTimestampText } from "./go-time.ts";
import { type Scalar, textOrBytes } from "./tree.ts";

/** What an encrypted value decrypts to: a value, or a remark that was encrypted. */
export type Decrypted = { value: Scalar } | { comment: string };

const form = /^ENC\[AES256_GCM,data:([^,\n]+),iv:([^,\n]+),tag:([^,\n]+),type:([^\]\n]+)\]/;
const tagLength = 16;

/** Whether a text has the form of a value that SOPS encrypted. */
export function isEncryptedText(text: string): boolean {
  return form.test(text);
}

/**
 * Decrypts one value of a tree. `place` is the path of the value, which AES-GCM authenticates: a value that was moved does not
 * decrypt. An empty text stands for itself. Throws with SOPS's texts, without the value (KS-105).
 */
export function decryptScalar(text: string, dataKey: Uint8Array, place: string): Decrypted {
  if (text === "") return { value: "" };
  const [, data, iv, tag, type] = form.exec(text) ?? [];
  if (data === undefined || iv === undefined || tag === undefined || type === undefined)
    throw new Error("Input string <redacted> does not match sops' data format");
  const sealed = Buffer.concat([base64(data, "data"), base64(tag, "tag")]);
  return typed(open(sealed, base64(iv, "iv"), dataKey, place), type);
}

function open(sealed: Buffer, iv: Uint8Array, dataKey: Uint8Array, place: string): Buffer {
  if (![16, 24, 32].includes(dataKey.length)) throw new Error(`crypto/aes: invalid key size ${dataKey.length}`);
  const refused = "Could not decrypt with AES_GCM: cipher: message authentication failed";
  if (sealed.length < tagLength || iv.length === 0) throw new Error(refused);
  const decipher = createDecipheriv(
    dataKey.length === 32 ? "aes-256-gcm" : `aes-${dataKey.length === 24 ? 192 : 128}-gcm`,
    dataKey,
    iv,
  );
  decipher.setAAD(Buffer.from(place));
  decipher.setAuthTag(sealed.subarray(sealed.length - tagLength));
  const opened = decipher.update(sealed.subarray(0, sealed.length - tagLength));
  try {
    return Buffer.concat([opened, decipher.final()]);
  } catch {
    throw new Error(refused);
  }
}

function typed(plain: Buffer, type: string): Decrypted {
  switch (type) {
    case "str":
    case "bytes":
      return { value: textOrBytes(plain) };
    case "int":
      return { value: integer(plain.toString("latin1")) };
    case "float":
      return { value: float(plain.toString("latin1")) };
    case "bool":
      return { value: truth(plain.toString("latin1")) };
    case "time": {
      const time = plain.toString("latin1");
      if (!isTimestampText(time)) throw new Error("the decrypted value is no time in RFC 3339");
      return { value: { time } };
    }
    case "comment":
      return { comment: plain.toString("utf8") };
    default:
      throw new Error(`Unknown datatype: ${type.slice(0, 20)}`);
  }
}

function integer(text: string): bigint {
  const value = /^[-+]?[0-9]{1,20}$/.test(text) ? BigInt(text.replace(/^\+/, "")) : undefined;
  if (value === undefined || value !== BigInt.asIntN(64, value)) throw new Error("the decrypted value is no integer");
  return value;
}

function float(text: string): number {
  if (/^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$/.test(text)) return Number(text);
  if (/^[-+]?inf(inity)?$/i.test(text))
    return text.startsWith("-") ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  if (/^nan$/i.test(text)) return Number.NaN;
  throw new Error("the decrypted value is no number");
}

function truth(text: string): boolean {
  if (["1", "t", "T", "TRUE", "true", "True"].includes(text)) return true;
  if (["0", "f", "F", "FALSE", "false", "False"].includes(text)) return false;
  throw new Error("the decrypted value is no truth value");
}

function base64(text: string, part: string): Buffer {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text))
    throw new Error(`Error base64-decoding ${part}: illegal base64 data`);
  return Buffer.from(text, "base64");
}
