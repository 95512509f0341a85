import { chmod, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createCertificateAuthority, issueCertificate } from "../platform/local/certificate.ts";

/** The listener's certificate and key, and the authority that clients must trust; all PEM. */
export type HostCertificate = { certificate: string; key: string; authority: string };

/**
 * The listener's certificate. Its authority is made once and kept under `directory`, so that a cluster that trusts it keeps
 * doing so after a restart; the server's own certificate is issued anew for the names it is reached by.
 */
export async function hostCertificate(directory: string, names: string[]): Promise<HostCertificate> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const authority = await keptAuthority(directory);
  const reachable = [
    ...new Set(["localhost", "127.0.0.1", ...names.filter((name) => name !== "0.0.0.0" && name !== "::")]),
  ];
  const issued = issueCertificate(authority, { names: reachable });
  return { certificate: issued.certificate, key: issued.key, authority: authority.certificate };
}

async function keptAuthority(directory: string): Promise<{ certificate: string; key: string }> {
  const certificatePath = join(directory, "ca.crt");
  const keyPath = join(directory, "ca.key");
  try {
    return { certificate: await readFile(certificatePath, "utf8"), key: await readFile(keyPath, "utf8") };
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  }
  const authority = createCertificateAuthority("sluice");
  // The certificate is written last and appears whole: a start that is killed before leaves no authority, rather than half of one.
  await writeFile(keyPath, authority.key, { mode: 0o600 });
  await chmod(keyPath, 0o600);
  await writeFile(`${certificatePath}~`, authority.certificate);
  await rename(`${certificatePath}~`, certificatePath);
  return authority;
}
