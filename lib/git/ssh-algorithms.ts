import type { KexAlgorithm, ServerHostKeyAlgorithm } from "ssh2";
import { GitError } from "./git-error.ts";

/** What the SSH client can do; others that are configured or known are left out, as Go's ssh does. */
const kex: readonly KexAlgorithm[] = [
  "curve25519-sha256",
  "curve25519-sha256@libssh.org",
  "ecdh-sha2-nistp256",
  "ecdh-sha2-nistp384",
  "ecdh-sha2-nistp521",
  "diffie-hellman-group-exchange-sha256",
  "diffie-hellman-group14-sha256",
  "diffie-hellman-group15-sha512",
  "diffie-hellman-group16-sha512",
  "diffie-hellman-group17-sha512",
  "diffie-hellman-group18-sha512",
  "diffie-hellman-group-exchange-sha1",
  "diffie-hellman-group14-sha1",
  "diffie-hellman-group1-sha1",
];
const hostKey: readonly ServerHostKeyAlgorithm[] = [
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "rsa-sha2-512",
  "rsa-sha2-256",
  "ssh-rsa",
  "ssh-dss",
];

/** GIT-060: the key exchanges that are configured; undefined for the client's own. Throws GitError `invalid` where it has none of them. */
export function kexAlgorithms(configured: readonly string[] | undefined): KexAlgorithm[] | undefined {
  if (configured === undefined || configured.length === 0) return undefined;
  return offered("key exchange", configured, kex);
}

/**
 * GIT-060: the host key algorithms that are configured, or those of the keys that are known of the server, or all where none is. An
 * RSA key is used with SHA-2 where the server can. Throws GitError `invalid` where the client has none of them.
 */
export function hostKeyAlgorithms(
  configured: readonly string[] | undefined,
  known: readonly string[],
): ServerHostKeyAlgorithm[] {
  if (configured !== undefined && configured.length > 0) return offered("host key", configured, hostKey);
  if (known.length === 0) return [...hostKey];
  const signed = known.flatMap((type) => (type === "ssh-rsa" ? ["rsa-sha2-512", "rsa-sha2-256", type] : [type]));
  return offered("host key", signed, hostKey);
}

function offered<T extends string>(what: string, names: readonly string[], supported: readonly T[]): T[] {
  const usable = names.flatMap((name) => supported.find((candidate) => candidate === name) ?? []);
  if (usable.length > 0) return [...new Set(usable)];
  const told = names.map((name) => name.slice(0, 60)).join(" ");
  throw new GitError("invalid", `ssh: handshake failed: ssh: no supported algorithm for ${what} in [${told}]`);
}
