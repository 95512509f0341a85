import { goBinaries } from "../../../lib/host/go-binaries.ts";

/** Paths of the programs that make what the decryption is tested against. */
export type SopsPrograms = { sops: string; age: string; ageKeygen: string };

const packages = {
  sops: "github.com/getsops/sops/v3/cmd/sops",
  age: "filippo.io/age/cmd/age",
  "age-keygen": "filippo.io/age/cmd/age-keygen",
};

/**
 * The sops and age command lines, built first where this machine has not yet done so (about three minutes on two cores).
 * `log` tells of the first build. Throws where Go is missing or the build fails.
 */
export async function sopsPrograms(log: (line: string) => void): Promise<SopsPrograms> {
  const binaries = await goBinaries({ name: "sops", directory: import.meta.dirname, packages, ldflags: "-s -w" }, log);
  const path = (name: keyof typeof packages): string => binaries.get(name) ?? name;
  return { sops: path("sops"), age: path("age"), ageKeygen: path("age-keygen") };
}
