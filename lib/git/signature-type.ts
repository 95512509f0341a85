/** What made a signature, as far as its armor tells. */
export type SignatureType = "openpgp" | "ssh" | "x509" | "empty" | "unknown";

/** Only detached signatures: git can put nothing else into an object. */
const armors: readonly (readonly [SignatureType, string])[] = [
  ["openpgp", "-----BEGIN PGP SIGNATURE-----"],
  ["ssh", "-----BEGIN SSH SIGNATURE-----"],
  ["x509", "-----BEGIN SIGNED MESSAGE-----"],
];

/** The type that decides who verifies (GIT-080). */
export function signatureType(signature: string): SignatureType {
  const known = armors.find(([, beginning]) => signature.trimStart().startsWith(beginning));
  return known?.[0] ?? (signature === "" ? "empty" : "unknown");
}
