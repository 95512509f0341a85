import { execFile } from "node:child_process";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { loadAll } from "js-yaml";
import type { KubernetesObject } from "../../lib/api/object.ts";
import type { ClusterClient } from "../../lib/cluster/client.ts";
import { applyObject, getObject } from "../../lib/cluster/objects.ts";
import { endAll } from "../../lib/host/end-all.ts";
import { freePort } from "../../lib/host/free-port.ts";
import { type GoModule, goBinaries } from "../../lib/host/go-binaries.ts";
import { type ServerProcess, startServer } from "../../lib/host/server-process.ts";

/** Flux's own controllers of sources, at work in a control plane. */
export type Controllers = {
  /** The path of an artifact's file, by the kind that offers it and `status.artifact.path`. */
  fileOf(kind: string, path: string): string;
  stop(): Promise<void>;
};

type Controller = { name: string; module: string; directory: string; package: string };

/** The name of the variable that names a checkout of source-watcher, whose module cannot be had everywhere. */
export const sourceWatcherVariable = "SLUICE_COMPARE_SOURCE_WATCHER";

/** A release by the go.mod of the folder of its name, and what a checkout holds. */
function chosenControllers(): Controller[] {
  const name = "source-controller";
  const module = "github.com/fluxcd/source-controller";
  const released = { name, module, directory: join(import.meta.dirname, name), package: module };
  const checkout = process.env[sourceWatcherVariable];
  if (checkout === undefined) return [released];
  const watcher = { name: "source-watcher", module: "github.com/fluxcd/source-watcher/v2", directory: checkout };
  return [released, { ...watcher, package: "./cmd" }];
}

/**
 * Starts them with the rights of an administrator, with the kinds that they themselves bring, and with their defaults but for where they
 * listen, how many objects they work on at once, and `events`, the address that is told what they have to say. They are built first where
 * this machine has not yet done so, which takes minutes. Rejects with the end of a log where one fails.
 */
export async function startControllers(options: {
  client: ClusterClient;
  kubeconfigPath: string;
  directory: string;
  events: string;
  log: (line: string) => void;
}): Promise<Controllers> {
  const { client, directory, log } = options;
  const controllers = chosenControllers();
  for (const controller of controllers) await installKinds(client, controller);
  const servers: ServerProcess[] = [];
  const stop = () => endAll(servers.map((server) => server.stop));
  try {
    for (const controller of controllers) {
      const program = (await goBinaries(moduleOf(controller), log)).get(controller.name) ?? controller.name;
      const own = join(directory, controller.name);
      for (const name of ["storage", "tmp"]) await mkdir(join(own, name), { recursive: true });
      const address = `127.0.0.1:${await freePort()}`;
      const health = `127.0.0.1:${await freePort()}`;
      const server = await startServer({
        name: controller.name,
        command: program,
        log: join(directory, `${controller.name}.log`),
        env: {
          PATH: "",
          HOME: own,
          TMPDIR: join(own, "tmp"),
          KUBECONFIG: options.kubeconfigPath,
          RUNTIME_NAMESPACE: "flux-system",
        },
        args: [
          `--storage-path=${join(own, "storage")}`,
          `--storage-addr=${address}`,
          `--storage-adv-addr=${address}`,
          `--events-addr=${options.events}`,
          `--health-addr=${health}`,
          "--metrics-addr=0",
          "--concurrent=20",
          "--log-encoding=json",
          "--enable-leader-election=false",
        ],
      });
      servers.push(server);
      await answers(`http://${health}/readyz`, server);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    fileOf: (kind, path) => {
      const owner = kind === "ExternalArtifact" ? "source-watcher" : "source-controller";
      return join(directory, owner, "storage", path);
    },
    stop,
  };
}

function moduleOf(controller: Controller): GoModule {
  return {
    name: controller.name,
    directory: controller.directory,
    packages: { [controller.name]: controller.package },
    ldflags: "-s -w",
  };
}

/** Applies the definitions that the controller's module holds. */
async function installKinds(client: ClusterClient, { module, directory }: Controller): Promise<void> {
  const { stdout } = await promisify(execFile)("go", ["list", "-m", "-f", "{{.Dir}}", module], {
    cwd: directory,
    env: { ...process.env, GOWORK: "off", GOFLAGS: "-mod=readonly" },
  });
  const bases = join(stdout.trim(), "config/crd/bases");
  for (const file of await readdir(bases)) {
    for (const definition of loadAll(await readFile(join(bases, file), "utf8")).filter(isObject)) {
      await applyObject(client, definition, { fieldManager: "flux", force: true });
      await served(client, definition);
    }
  }
}

async function served(client: ClusterClient, { apiVersion, kind, metadata }: KubernetesObject): Promise<void> {
  const giveUp = Date.now() + 30_000;
  for (;;) {
    const found = await getObject<Established>(client, { apiVersion, kind, name: metadata.name });
    if (found.status?.conditions?.some(({ type, status }) => type === "Established" && status === "True")) return;
    if (Date.now() > giveUp) throw new Error(`${metadata.name} is not served after 30 s`);
    await sleep(50);
  }
}

type Established = KubernetesObject & { status?: { conditions?: { type: string; status: string }[] } };

async function answers(url: string, server: ServerProcess): Promise<void> {
  for (const giveUp = Date.now() + 60_000; Date.now() < giveUp && server.running(); await sleep(50)) {
    const status = await fetch(url).then(
      (response) => response.status,
      () => 0,
    );
    if (status === 200) return;
  }
  throw new Error(`${server.name} does not answer:\n${await server.logTail()}`);
}

function isObject(value: unknown): value is KubernetesObject {
  return typeof value === "object" && value !== null && "apiVersion" in value && "kind" in value && "metadata" in value;
}
