import { createHmac } from "node:crypto";
import { GitError } from "./git-error.ts";

/** A server's public key as it goes over the wire (RFC 4253, section 6.6), and its type, by which it begins. */
export type HostKey = { type: string; blob: Buffer };

/** What a known_hosts file says of one server. */
export type KnownHost = {
  /** Types of the keys that are known of it, in the order of the file; of all servers where none is. */
  types: readonly string[];
  /** Why a key is not accepted, in the words of Go's knownhosts; undefined for one that is known. */
  objection(key: Uint8Array): string | undefined;
};

type Entry = { matches(host: string, port: string): boolean; key: HostKey };

const keyTypes = new Set([
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "ssh-rsa",
  "ssh-dss",
  "sk-ssh-ed25519@openssh.com",
  "sk-ecdsa-sha2-nistp256@openssh.com",
]);

/**
 * Reads a known_hosts file (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT") for one server as Go's knownhosts reads it (GIT-059): hashed
 * names, several names in a line, negated names, wildcards and ports; a server with several keys is known by each. The key of a
 * certificate authority counts as a key of its hosts: no certificates are asked for. Throws GitError `invalid-key` for a file with
 * any line that cannot be read.
 */
export function knownHost(file: string, host: string, port: number): KnownHost {
  const known: HostKey[] = [];
  const all = new Set<string>();
  const revoked: Buffer[] = [];
  for (const text of file.split("\n")) {
    const line = text.trim();
    if (line === "" || line.startsWith("#")) continue;
    const words = line.split(/[ \t]+/);
    const marker = words[0] === "@revoked" || words[0] === "@cert-authority" ? words.shift() : undefined;
    const entry = parseEntry(words);
    if (marker === "@revoked") revoked.push(entry.key.blob);
    else {
      all.add(entry.key.type);
      if (entry.matches(host, String(port))) known.push(entry.key);
    }
  }
  return {
    types: [...new Set(known.length === 0 ? all : known.map(({ type }) => type))],
    objection: (key) => {
      if (revoked.some((blob) => blob.equals(key))) return "knownhosts: key is revoked";
      if (known.length === 0) return "knownhosts: key is unknown";
      return known.some(({ blob }) => blob.equals(key)) ? undefined : "knownhosts: key mismatch";
    },
  };
}

function parseEntry([names, type, blob]: readonly string[]): Entry {
  if (names === undefined || type === undefined) throw invalid("missing host pattern");
  // The type is in the key as well, and counts there.
  if (blob === undefined) throw invalid("missing key type pattern");
  const matches = names.startsWith("|") ? hashedName(names) : namePatterns(names);
  return { matches, key: parseHostKey(blob) };
}

function parseHostKey(text: string): HostKey {
  const blob = decodeBase64(text);
  const length = blob.length < 4 ? 0 : blob.readUInt32BE(0);
  const type = blob.toString("latin1", 4, 4 + Math.min(length, 100));
  if (!keyTypes.has(type) || blob.length < 4 + length + 4) throw invalid("a key is not one of an SSH server");
  return { type, blob };
}

/** A name as its HMAC-SHA1, keyed by a salt. A port other than 22 is part of the name. */
function hashedName(text: string): Entry["matches"] {
  const parts = text.split("|");
  if (parts.length !== 4) throw invalid(`got ${parts.length} components, want 3`);
  const [, kind, salt = "", hash = ""] = parts;
  if (kind !== "1") throw invalid(`got hash type ${(kind ?? "").slice(0, 20)}, must be '1'`);
  const [key, expected] = [decodeBase64(salt), decodeBase64(hash)];
  return (host, port) => {
    const names = port !== "22" ? [`[${host}]:${port}`] : host.includes(":") ? [`[${host}]`, host] : [host];
    return names.some((name) => createHmac("sha1", key).update(name).digest().equals(expected));
  };
}

type NamePattern = { name: string; port: string; isNegated: boolean };

function namePatterns(text: string): Entry["matches"] {
  const patterns = text
    .split(",")
    .filter((name) => name !== "")
    .map(parsePattern);
  return (host, port) => {
    const matching = patterns.filter((pattern) => pattern.port === port && matchesWildcard(pattern.name, host));
    return matching.length > 0 && !matching.some(({ isNegated }) => isNegated);
  };
}

function parsePattern(text: string): NamePattern {
  const isNegated = text.startsWith("!");
  const plain = isNegated ? text.slice(1) : text;
  if (plain === "") throw invalid("negation without following hostname");
  const bracketed = /^\[(?<name>[^\]]*)\]:(?<port>[^:]*)$/.exec(plain);
  if (plain.startsWith("[") && bracketed === null) throw invalid("missing port in address");
  // A second colon makes an address of IPv6, which has its port behind brackets.
  const { name = plain, port = "22" } = (bracketed ?? /^(?<name>[^:]*):(?<port>[^:]*)$/.exec(plain))?.groups ?? {};
  return { name, port, isNegated };
}

/** `*` is any text, `?` any character. Each `*` is gone back to once: time grows by the lengths' product at most. */
function matchesWildcard(pattern: string, text: string): boolean {
  let [at, star, resumed] = [0, -1, 0];
  for (let index = 0; index < text.length; ) {
    if (pattern[at] === "*") {
      star = at++;
      resumed = index;
    } else if (pattern[at] === "?" || pattern[at] === text[index]) {
      at++;
      index++;
    } else if (star >= 0) {
      at = star + 1;
      index = ++resumed;
    } else return false;
  }
  return /^\**$/.test(pattern.slice(at));
}

function decodeBase64(text: string): Buffer {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text))
    throw invalid("illegal base64 data");
  return Buffer.from(text, "base64");
}

function invalid(words: string): GitError {
  return new GitError("invalid-key", `knownhosts: knownhosts: ${words}`);
}
