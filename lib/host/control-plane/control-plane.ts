import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { freePort } from "../free-port.ts";
import { type ServerProcess, startServer } from "../server-process.ts";
import { type ControlPlaneBinaries, controlPlaneBinaries } from "./binaries.ts";
import { type Credentials, writeCredentials } from "./credentials.ts";
import { apiServerAnswers, controllersWork } from "./readiness.ts";

/** A running Kubernetes control plane: a real API server on etcd with its controllers, and nobody else in it. */
export type ControlPlane = {
  /** `https://127.0.0.1:<port>` */
  url: string;
  /** Host and port of `url`. */
  address: string;
  /** PEM. */
  certificateAuthority: string;
  /** YAML of a kubeconfig for the administrator (group system:masters). A secret for as long as the control plane runs. */
  kubeconfig: string;
  kubeconfigPath: string;
  /** The administrator's bearer token. */
  token: string;
  /** For counting CPU seconds and memory. */
  apiServerPid: number;
  etcdPid: number;
  controllerManagerPid: number;
  /** Where the API server writes an audit event a request, if that was asked for: JSON lines, each written before the answer is. */
  auditLog: string | undefined;
  /** Resolves with a sentence when one of the processes has ended, whoever ended it. */
  ended: Promise<string>;
  /** Ends every process and forgets everything that was stored. */
  stop(): Promise<void>;
};

/**
 * `directory` gets logs, keys and the kubeconfig. `log` tells of the one long thing, the first build. A `port` is taken as it is;
 * without one a free port is found. `auditLog` is the path of a file to write. `issuer` is who signs the tokens of service accounts,
 * and `authentication` the path of an AuthenticationConfiguration: who else is believed.
 */
export type ControlPlaneOptions = {
  directory: string;
  log?: (line: string) => void;
  port?: number;
  auditLog?: string;
  issuer?: string;
  authentication?: string;
};

/** The controllers whose work Sluice sees: what owns what, namespaces, service accounts, and status of workloads. */
const controllers = [
  "clusterrole-aggregation-controller",
  "cronjob-controller",
  "daemonset-controller",
  "deployment-controller",
  "garbage-collector-controller",
  "job-controller",
  "namespace-controller",
  "replicaset-controller",
  "resourcequota-controller",
  "root-ca-certificate-publisher-controller",
  "serviceaccount-controller",
  "serviceaccount-token-controller",
  "statefulset-controller",
];

/**
 * Starts a control plane with TLS, RBAC and service-account tokens on the loopback interface; any number run side by side.
 * Every start is a new, empty cluster. No kubelet and no scheduler run: a Pod stays pending, and tests write the status
 * of workloads as a kubelet would. Resolves when the API server is ready and its controllers work, in about five seconds;
 * rejects with the end of a component's log when that component fails, and with a sentence when the programs cannot be built.
 */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const binaries = await controlPlaneBinaries(options.log ?? (() => undefined));
  const directory = resolve(options.directory);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(binaries, { ...options, directory, port: options.port ?? (await freePort()) });
    } catch (error) {
      const taken = error instanceof Error && error.message.includes("address already in use");
      if (!taken || options.port !== undefined || attempt === 3) throw error;
    }
  }
}

async function start(
  binaries: ControlPlaneBinaries,
  options: ControlPlaneOptions & { port: number },
): Promise<ControlPlane> {
  const { directory, port, auditLog } = options;
  const store = await mkdtemp(join(await memoryDirectory(), "sluice-etcd-"));
  const servers: ServerProcess[] = [];
  const stop = async (): Promise<void> => {
    for (const server of servers.toReversed()) await server.stop();
    await rm(store, { recursive: true, force: true });
  };
  try {
    const credentials = await writeCredentials(directory, port);
    const etcd = await startEtcd(binaries, directory, store);
    servers.push(etcd);
    const apiServer = await startApiServer(binaries, { ...options, store, credentials });
    servers.push(apiServer);
    await apiServerAnswers(credentials, [etcd, apiServer]);
    const controllerManager = await startControllerManager(binaries, directory, credentials);
    servers.push(controllerManager);
    await controllersWork(credentials, servers);
    return {
      url: credentials.url,
      address: `127.0.0.1:${port}`,
      certificateAuthority: credentials.certificateAuthority,
      kubeconfig: credentials.kubeconfig,
      kubeconfigPath: credentials.kubeconfigPath,
      token: credentials.token,
      apiServerPid: apiServer.pid,
      etcdPid: etcd.pid,
      controllerManagerPid: controllerManager.pid,
      auditLog,
      ended: Promise.race(servers.map(({ ended }) => ended)),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** etcd on a socket that only this user can open. It stores nothing that must survive, so it need not wait for a disk. */
function startEtcd(binaries: ControlPlaneBinaries, directory: string, store: string): Promise<ServerProcess> {
  // There are no peers, but etcd insists on an address for them. In this form it is a socket in the working directory.
  const peers = "unix://peers:0";
  return startServer({
    name: "etcd",
    command: binaries.etcd,
    log: join(directory, "etcd.log"),
    cwd: store,
    scratch: store,
    args: [
      `--data-dir=${store}/data`,
      "--unsafe-no-fsync",
      "--log-level=warn",
      "--listen-client-urls=unix://clients:0",
      "--advertise-client-urls=unix://clients:0",
      `--listen-peer-urls=${peers}`,
      `--initial-advertise-peer-urls=${peers}`,
      `--initial-cluster=default=${peers}`,
    ],
  });
}

function startApiServer(
  binaries: ControlPlaneBinaries,
  options: ControlPlaneOptions & { store: string; port: number; credentials: Credentials },
): Promise<ServerProcess> {
  const { credentials } = options;
  const audit =
    options.auditLog === undefined
      ? []
      : [`--audit-log-path=${options.auditLog}`, `--audit-policy-file=${credentials.auditPolicyPath}`];
  return startServer({
    name: "kube-apiserver",
    command: binaries.apiServer,
    log: join(options.directory, "kube-apiserver.log"),
    cwd: options.store,
    args: [
      `--etcd-servers=unix://${options.store}/clients:0`,
      "--bind-address=127.0.0.1",
      "--advertise-address=127.0.0.1",
      // The Endpoints of the service "kubernetes" may not hold a loopback address, and nobody here reads them.
      "--endpoint-reconciler-type=none",
      `--secure-port=${options.port}`,
      `--tls-cert-file=${credentials.servingCertificatePath}`,
      `--tls-private-key-file=${credentials.servingKeyPath}`,
      `--client-ca-file=${credentials.certificateAuthorityPath}`,
      `--token-auth-file=${credentials.tokensPath}`,
      "--authorization-mode=RBAC",
      `--service-account-issuer=${options.issuer ?? "https://kubernetes.default.svc.cluster.local"}`,
      `--service-account-signing-key-file=${credentials.serviceAccountKeyPath}`,
      `--service-account-key-file=${credentials.serviceAccountKeyPath}`,
      "--service-cluster-ip-range=10.0.0.0/16",
      "--allow-privileged=true",
      "--profiling=false",
      ...audit,
      ...(options.authentication === undefined ? [] : [`--authentication-config=${options.authentication}`]),
    ],
  });
}

function startControllerManager(
  binaries: ControlPlaneBinaries,
  directory: string,
  credentials: Credentials,
): Promise<ServerProcess> {
  return startServer({
    name: "kube-controller-manager",
    command: binaries.controllerManager,
    log: join(directory, "kube-controller-manager.log"),
    cwd: directory,
    args: [
      `--kubeconfig=${credentials.controllersKubeconfigPath}`,
      `--controllers=${controllers.join(",")}`,
      "--leader-elect=false",
      "--secure-port=0",
      `--service-account-private-key-file=${credentials.serviceAccountKeyPath}`,
      `--root-ca-file=${credentials.certificateAuthorityPath}`,
      // Tests wait for garbage collection and for namespaces to go: the usual 20 requests a second are for shared clusters.
      "--kube-api-qps=300",
      "--kube-api-burst=600",
    ],
  });
}

/** The memory disk where there is one to write to. A name drawn here keeps two control planes apart. */
async function memoryDirectory(): Promise<string> {
  const probe = await mkdtemp("/dev/shm/sluice-").catch(() => undefined);
  if (probe === undefined) return tmpdir();
  await rm(probe, { recursive: true });
  return "/dev/shm";
}
