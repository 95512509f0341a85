import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { goBinaries } from "../../../lib/host/go-binaries.ts";

const packages = { cosign: "github.com/sigstore/cosign/v3/cmd/cosign" };

/** The path of cosign's command line, built first where this machine has not yet done so (about two minutes of one core). */
async function cosignProgram(log: (line: string) => void): Promise<string> {
  const binaries = await goBinaries(
    { name: "cosign", directory: import.meta.dirname, packages, ldflags: "-s -w" },
    log,
  );
  return binaries.get("cosign") ?? "cosign";
}

/** Cosign's command line at work in a directory of its own, without any key or network of whoever runs the tests. */
export type Cosign = {
  directory: string;
  /** Runs it; resolves with what it printed. Rejects with what it complained of. */
  run(...args: string[]): Promise<string>;
  /** Takes a private key (PEM), or makes one; gives its public half (PEM). */
  key(name: string, privateKey?: string): Promise<Buffer>;
  /** Signs a reference with a key: as a bundle (cosign 3), or in the layout of cosign 2. */
  sign(key: string, layout: "bundle" | "legacy", reference: string, ...args: string[]): Promise<void>;
  /** Puts a signature (base64) over a payload, made elsewhere, into the layout of cosign 2. */
  attach(reference: string, payload: string, signature: string, ...args: string[]): Promise<void>;
  close(): Promise<void>;
};

/** Opens a workshop, whose directory goes with `close`. `log` tells of the first build. */
export async function openCosign(log: (line: string) => void = console.error): Promise<Cosign> {
  const program = await cosignProgram(log);
  const directory = await mkdtemp(join(tmpdir(), "sluice-cosign-"));
  const env = { HOME: directory, COSIGN_PASSWORD: "" };
  const run: Cosign["run"] = async (...args) => {
    const { stdout } = await promisify(execFile)(program, args, { cwd: directory, env, timeout: 60_000 });
    return stdout;
  };
  return {
    directory,
    run,
    key: async (name, privateKey) => {
      if (privateKey === undefined) await run("generate-key-pair", `--output-key-prefix=${name}`);
      else {
        await writeFile(join(directory, `${name}.pem`), privateKey, { mode: 0o600 });
        await run("import-key-pair", `--key=${name}.pem`, `--output-key-prefix=${name}`, "-y");
      }
      return readFile(join(directory, `${name}.pub`));
    },
    sign: async (key, layout, reference, ...args) => {
      const offline = ["--use-signing-config=false", "--tlog-upload=false", "-y"];
      await run(
        "sign",
        `--key=${key}.key`,
        `--new-bundle-format=${layout === "bundle"}`,
        ...offline,
        ...args,
        reference,
      );
    },
    attach: async (reference, payload, signature, ...args) => {
      await writeFile(join(directory, "payload"), payload);
      await writeFile(join(directory, "signature"), signature);
      await run("attach", "signature", "--payload=payload", "--signature=signature", ...args, reference);
    },
    close: () => rm(directory, { recursive: true, force: true }),
  };
}
