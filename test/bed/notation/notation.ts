import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { goBinaries } from "../../../lib/host/go-binaries.ts";
import type { NotationIdentity } from "./certificate.ts";

const packages = { notation: "github.com/notaryproject/notation/cmd/notation" };

/** The path of notation's command line, built first where this machine has not yet done so (less than a minute of one core). */
async function notationProgram(log: (line: string) => void): Promise<string> {
  const binaries = await goBinaries(
    { name: "notation", directory: import.meta.dirname, packages, ldflags: "-s -w" },
    log,
  );
  return binaries.get("notation") ?? "notation";
}

/** Notation's command line at work in a directory of its own. */
export type Notation = {
  /** Signs a reference in a registry that speaks plain HTTP, as JWS by default. Rejects with what notation complains of. */
  sign(identity: NotationIdentity, format: "jws" | "cose", reference: string, ...args: string[]): Promise<void>;
  /** Verifies it as notation itself does, by a policy and the certificates of its store `ca:test`. Rejects likewise. */
  verify(policy: unknown, authorities: string[], reference: string): Promise<void>;
  close(): Promise<void>;
};

/** Opens a workshop, whose directory goes with `close`. `log` tells of the first build. */
export async function openNotation(log: (line: string) => void = console.error): Promise<Notation> {
  const program = await notationProgram(log);
  const directory = await mkdtemp(join(tmpdir(), "sluice-notation-"));
  const home = join(directory, "notation");
  await mkdir(home);
  const run = async (...args: string[]) => {
    // It keeps what it has fetched, which no test wants.
    const cache = await mkdtemp(join(directory, "cache-"));
    const env = { HOME: directory, XDG_CONFIG_HOME: directory, XDG_CACHE_HOME: cache };
    await promisify(execFile)(program, args, { cwd: directory, env, timeout: 60_000 });
  };
  return {
    sign: async ({ key, chain }, format, reference, ...args) => {
      const [keyPath, certPath] = [join(directory, "signing.key"), join(directory, "signing.crt")];
      await writeFile(keyPath, key, { mode: 0o600 });
      await writeFile(certPath, chain);
      const keys = { default: "signing", keys: [{ name: "signing", keyPath, certPath }] };
      await writeFile(join(home, "signingkeys.json"), JSON.stringify(keys));
      await run("sign", "--insecure-registry", `--signature-format=${format}`, ...args, reference);
    },
    verify: async (policy, authorities, reference) => {
      const store = join(home, "truststore/x509/ca/test");
      await rm(store, { recursive: true, force: true });
      await mkdir(store, { recursive: true });
      for (const [index, authority] of authorities.entries()) await writeFile(join(store, `${index}.pem`), authority);
      await writeFile(join(home, "trustpolicy.json"), JSON.stringify(policy));
      await run("verify", "--insecure-registry", reference);
    },
    close: () => rm(directory, { recursive: true, force: true }),
  };
}
