import { execFile } from "node:child_process";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import { freePort } from "../../../lib/host/free-port.ts";
import { goBinaries } from "../../../lib/host/go-binaries.ts";
import { startServer } from "../../../lib/host/server-process.ts";

/** Who signs. `without` makes the infrastructure faulty: what a certificate or its signature should have is missing. */
export type Signer = { issuer: string; email: string; without?: "promise" | "purpose" | "validity" };

/** A Sigstore that runs: an authority and two logs, for real cosign to sign with and without keys. */
export type Sigstore = {
  /** `http://127.0.0.1:<port>` */
  url: string;
  /** `trusted_root.json` */
  trustedRoot: Buffer;
  /** An authority of timestamps, which is no part of the trusted root: where it is asked, and its root certificate (PEM, and its file). */
  clock: { url: string; certificate: string; file: string };
  /** Signs a reference in a registry as somebody, as a bundle or in the layout of cosign 2. */
  sign(signer: Signer, layout: "bundle" | "legacy", reference: string, ...args: string[]): Promise<void>;
  /** Verifies it as cosign itself does; rejects with what it complains of. */
  verify(signer: Signer, layout: "bundle" | "legacy", reference: string): Promise<void>;
  stop(): Promise<void>;
};

const packages = { cosign: "github.com/sigstore/cosign/v3/cmd/cosign", sigstore: "." };
const patience = 30_000;

/**
 * Starts one in a directory on a free port of the loopback interface, and builds it and cosign first where this machine has not yet done so
 * (about two minutes of one core). Rejects with the end of its log where it fails.
 */
export async function startSigstore(
  directory: string,
  log: (line: string) => void = () => undefined,
): Promise<Sigstore> {
  const binaries = await goBinaries(
    { name: "cosign", directory: import.meta.dirname, packages, ldflags: "-s -w" },
    log,
  );
  await mkdir(directory, { recursive: true });
  const address = `127.0.0.1:${await freePort()}`;
  const rootFile = join(directory, "trusted_root.json");
  const server = await startServer({
    name: "sigstore",
    command: binaries.get("sigstore") ?? "sigstore",
    args: [address, rootFile],
    log: join(directory, "sigstore.log"),
  });
  const run = async (...args: string[]) => {
    const env = { HOME: directory };
    await promisify(execFile)(binaries.get("cosign") ?? "cosign", args, { cwd: directory, env, timeout: 60_000 });
  };
  const url = `http://${address}`;
  for (const deadline = Date.now() + patience; Date.now() < deadline && server.running(); await wait(25)) {
    const trustedRoot = await readFile(rootFile).catch(() => undefined);
    if (trustedRoot === undefined) continue;
    return {
      url,
      trustedRoot,
      clock: {
        url: `${url}/timestamp`,
        certificate: await readFile(`${rootFile}.clock.pem`, "utf8"),
        file: `${rootFile}.clock.pem`,
      },
      sign: (signer, layout, reference, ...args) =>
        run(
          ...["sign", `--fulcio-url=${url}`, `--rekor-url=${url}`, `--identity-token=${tokenOf(signer)}`, "-y"],
          ...[`--trusted-root=${rootFile}`, "--use-signing-config=false", `--new-bundle-format=${layout === "bundle"}`],
          ...args,
          reference,
        ),
      verify: ({ issuer, email }, layout, reference) =>
        run(
          ...["verify", `--trusted-root=${rootFile}`, `--new-bundle-format=${layout === "bundle"}`],
          ...[`--certificate-identity=${email}`, `--certificate-oidc-issuer=${issuer}`],
          reference,
        ),
      stop: server.stop,
    };
  }
  const tail = await server.logTail();
  await server.stop();
  throw new Error(`the Sigstore does not answer:\n${tail}`);
}

/** A token that nobody has signed: the authority of the tests asks for no signature. */
export function tokenOf({ issuer, email, without }: Signer): string {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: issuer, aud: "sigstore", sub: email, email, email_verified: true, without: without ?? "" };
  const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${encoded({ alg: "RS256", typ: "JWT" })}.${encoded({ ...claims, iat: now, exp: now + 600 })}.AAAA`;
}
