import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import type { KubernetesObject } from "../../../lib/api/object.ts";
import { applyObject, findObject } from "../../../lib/cluster/objects.ts";
import { freePort } from "../../../lib/host/free-port.ts";
import { goBinaries } from "../../../lib/host/go-binaries.ts";
import { type ServerProcess, startServer } from "../../../lib/host/server-process.ts";
import { parseStrictYaml } from "../../../lib/text/yaml.ts";
import { connectTo } from "../installed.ts";
import type { RunningSluice } from "../sluice.ts";

const packages = {
  "kustomize-controller": "github.com/fluxcd/kustomize-controller",
  "helm-controller": "github.com/fluxcd/helm-controller",
};

/** Flux's controllers that consume what sources offer. */
export type FluxController = keyof typeof packages;

const namespace = "flux-system";
const patience = 30_000;

/**
 * Flux's controllers as they are released, built first where this machine has not yet done so (about five minutes of two cores). `log`
 * tells of it.
 */
export function fluxControllers(log: (line: string) => void = console.error): Promise<Map<string, string>> {
  return goBinaries({ name: "flux-controllers", directory: import.meta.dirname, packages, ldflags: "-s -w" }, log);
}

/** What belongs to helm-controller and not to Sluice: the definition of HelmRelease as it is released, and the ServiceAccount. */
export async function installHelmController({ cluster }: Pick<RunningSluice, "cluster">): Promise<void> {
  const client = connectTo(cluster);
  const { stdout } = await promisify(execFile)("go", ["mod", "download", "-json", packages["helm-controller"]], {
    cwd: import.meta.dirname,
    env: { ...process.env, GOWORK: "off", GOFLAGS: "-mod=readonly" },
  });
  const { Dir: directory } = JSON.parse(stdout) as { Dir: string };
  const path = join(directory, "config/crd/bases/helm.toolkit.fluxcd.io_helmreleases.yaml");
  const definition = parseStrictYaml(await readFile(path, "utf8")) as KubernetesObject;
  await applyObject(client, definition, { fieldManager: "flux" });
  await applyObject(
    client,
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "helm-controller", namespace } },
    { fieldManager: "flux" },
  );
  const reference = { apiVersion: definition.apiVersion, kind: definition.kind, name: definition.metadata.name };
  for (const giveUp = Date.now() + patience; Date.now() < giveUp; await wait(50)) {
    const found = await findObject<{ status?: { conditions?: { type: string; status: string }[] } }>(client, reference);
    if (found?.status?.conditions?.some(({ type, status }) => type === "Established" && status === "True")) return;
  }
  throw new Error("the API server does not serve HelmReleases");
}

/**
 * Starts a controller beside a running Sluice, as the ServiceAccount that it has in a cluster. `args` are those of its Deployment, but for
 * what only a cluster has: an election and the address of notification-controller. `directory` gets its kubeconfig, its log and its
 * temporary files. Rejects with the end of the log where it does not start.
 */
export async function startController(
  name: FluxController,
  { cluster, certificateAuthority }: RunningSluice,
  { directory, args }: { directory: string; args: string[] },
): Promise<Pick<ServerProcess, "stop">> {
  const command = (await fluxControllers()).get(name) ?? name;
  const temporary = join(directory, "tmp");
  await mkdir(temporary, { recursive: true });
  const kubeconfig = join(directory, "kubeconfig");
  await writeFile(kubeconfig, await kubeconfigOf(name, cluster), { mode: 0o600 });
  const authority = join(directory, "ca.crt");
  await writeFile(authority, certificateAuthority);
  const health = `127.0.0.1:${await freePort()}`;
  const server = await startServer({
    name,
    command,
    args: [...args, `--health-addr=${health}`, "--metrics-addr=0"],
    log: join(directory, `${name}.log`),
    env: { KUBECONFIG: kubeconfig, SSL_CERT_FILE: authority, RUNTIME_NAMESPACE: namespace, TMPDIR: temporary },
  });
  const isReady = () =>
    fetch(`http://${health}/readyz`)
      .then((answer) => answer.ok)
      .catch(() => false);
  for (const giveUp = Date.now() + patience; !(await isReady()); await wait(50)) {
    if (server.running() && Date.now() < giveUp) continue;
    await server.stop();
    throw new Error(`${name} does not start:\n${await server.logTail()}`);
  }
  return server;
}

/** A kubeconfig of the controller's ServiceAccount, by a token for an hour. */
async function kubeconfigOf(name: FluxController, cluster: RunningSluice["cluster"]): Promise<string> {
  const { status } = await connectTo(cluster).request<{ status: { token: string } }>({
    method: "POST",
    path: `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`,
    body: { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: { expirationSeconds: 3600 } },
  });
  const authority = Buffer.from(cluster.certificateAuthority).toString("base64");
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "flux",
    contexts: [{ name: "flux", context: { cluster: "flux", user: "flux" } }],
    clusters: [{ name: "flux", cluster: { server: cluster.url, "certificate-authority-data": authority } }],
    users: [{ name: "flux", user: { token: status.token } }],
  });
}
