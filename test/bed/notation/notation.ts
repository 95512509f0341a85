import { goBinaries } from "../../../lib/host/go-binaries.ts";

const packages = { notation: "github.com/notaryproject/notation/cmd/notation" };

/** The path of notation's command line, built first where this machine has not yet done so (less than a minute of one core). */
export async function notationProgram(log: (line: string) => void): Promise<string> {
  const binaries = await goBinaries(
    { name: "notation", directory: import.meta.dirname, packages, ldflags: "-s -w" },
    log,
  );
  return binaries.get("notation") ?? "notation";
}
