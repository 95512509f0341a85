import { goBinaries } from "../../../lib/host/go-binaries.ts";

const packages = { cosign: "github.com/sigstore/cosign/v3/cmd/cosign" };

/** The path of cosign's command line, built first where this machine has not yet done so (about two minutes of one core). */
export async function cosignProgram(log: (line: string) => void): Promise<string> {
  const binaries = await goBinaries(
    { name: "cosign", directory: import.meta.dirname, packages, ldflags: "-s -w" },
    log,
  );
  return binaries.get("cosign") ?? "cosign";
}
