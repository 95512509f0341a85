import { generateKeyPairSync, randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { dump } from "js-yaml";
import { createCertificateAuthority, issueCertificate } from "../../platform/local/certificate.ts";

/** Everything by which the parts of one control plane know each other: made anew at each start, readable by this user only. */
export type Credentials = {
  url: string;
  token: string;
  kubeconfig: string;
  kubeconfigPath: string;
  controllersKubeconfigPath: string;
  certificateAuthority: string;
  certificateAuthorityPath: string;
  servingCertificatePath: string;
  servingKeyPath: string;
  tokensPath: string;
  serviceAccountKeyPath: string;
  auditPolicyPath: string;
};

/** Makes the authority, the serving certificate, the tokens and the service accounts' key of a control plane on `port`, into `directory`. */
export async function writeCredentials(directory: string, port: number): Promise<Credentials> {
  const url = `https://127.0.0.1:${port}`;
  const authority = createCertificateAuthority("sluice control plane");
  const serving = issueCertificate(authority, {
    names: ["127.0.0.1", "::1", "10.0.0.1", "localhost", "kubernetes.default.svc", "kubernetes.default"],
  });
  const [administrator, controllers] = [newToken(), newToken()];
  const write = async (name: string, content: string): Promise<string> => {
    const path = join(directory, name);
    await writeFile(path, content, { mode: 0o600 });
    return path;
  };
  const kubeconfig = kubeconfigFor(url, authority.certificate, "admin", administrator);
  const serviceAccountKey = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  return {
    url,
    token: administrator,
    kubeconfig,
    kubeconfigPath: await write("kubeconfig.yaml", kubeconfig),
    controllersKubeconfigPath: await write(
      "controllers.yaml",
      kubeconfigFor(url, authority.certificate, "controllers", controllers),
    ),
    certificateAuthority: authority.certificate,
    certificateAuthorityPath: await write("ca.crt", authority.certificate),
    servingCertificatePath: await write("serving.crt", serving.certificate),
    servingKeyPath: await write("serving.key", serving.key),
    tokensPath: await write(
      "tokens.csv",
      [
        `${administrator},admin,admin,"system:masters"`,
        `${controllers},system:kube-controller-manager,controllers,"system:masters"`,
        "",
      ].join("\n"),
    ),
    serviceAccountKeyPath: await write(
      "service-accounts.key",
      serviceAccountKey.export({ type: "pkcs1", format: "pem" }).toString(),
    ),
    auditPolicyPath: await write(
      "audit-policy.yaml",
      dump({
        apiVersion: "audit.k8s.io/v1",
        kind: "Policy",
        omitStages: ["RequestReceived"],
        rules: [{ level: "Metadata" }],
      }),
    ),
  };
}

function newToken(): string {
  return randomBytes(24).toString("hex");
}

function kubeconfigFor(url: string, certificateAuthority: string, user: string, token: string): string {
  return dump({
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name: "sluice",
        cluster: { server: url, "certificate-authority-data": Buffer.from(certificateAuthority).toString("base64") },
      },
    ],
    users: [{ name: user, user: { token } }],
    contexts: [{ name: "sluice", context: { cluster: "sluice", user } }],
    "current-context": "sluice",
  });
}
