import { existsSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { defineCommand } from "citty";
import { connect } from "../cluster/connect.ts";
import { waitUntilAllReady } from "../host/all-ready.ts";
import { endAll } from "../host/end-all.ts";
import { startHost } from "../host/host.ts";
import { createLiveView } from "../host/live-view.ts";
import { requirePrepared } from "../host/prepared.ts";
import { followSample } from "../host/sample/sample.ts";
import { sampleContent, sampleName } from "../host/sample/sample-objects.ts";
import { startSampleServer } from "../host/sample/sample-server.ts";
import { kustomizeBinary } from "../kustomize/binary.ts";
import { environmentCredentials } from "../platform/local/aws-credentials.ts";
import { messageOf } from "../text/error-message.ts";
import { installInto } from "./install-cluster.ts";
import { requireKnownFlags } from "./known-flags.ts";
import { requireKnownGates } from "./known-gates.ts";
import { type StartedCluster, startCluster } from "./start-cluster.ts";
import { createStartConsole, type StartConsole } from "./start-console.ts";
import { parseStartOptions, type StartOptions } from "./start-options.ts";

/** The id by which a local host knows its cluster; `sluice install` has the same default. */
const clusterId = "default";

/** How long `--once` waits until everything is Ready, in seconds. */
const onceSeconds = 300;

/** `sluice start`: all of Sluice in one process, for a named cluster or for an embedded one. */
export const start = defineCommand({
  meta: {
    name: "start",
    description: "Run Sluice on this machine: for a named cluster, or with an embedded one and a sample repository",
  },
  args: {
    kubeconfig: {
      type: "string",
      valueHint: "FILE",
      description: "kubeconfig of the cluster; without it an embedded cluster is started",
    },
    context: {
      type: "string",
      valueHint: "NAME",
      description: "context of the kubeconfig; no other context is touched",
    },
    data: {
      type: "string",
      valueHint: "DIR",
      description:
        "where everything that lasts is kept (default .sluice, and .sluice/contexts/NAME with a named cluster)",
    },
    listen: {
      type: "string",
      valueHint: "ADDR:PORT",
      description:
        "where webhooks are received, over HTTPS (default 127.0.0.1:9443; any free port with the embedded cluster)",
    },
    advertise: {
      type: "string",
      valueHint: "URL",
      description: "address by which the cluster reaches this machine, where that is another one",
    },
    concurrency: {
      type: "string",
      valueHint: "N",
      description: "objects of each queue that are worked on at once (default four a processor, and at least eight)",
    },
    log: { type: "string", valueHint: "json|pretty", description: "how to tell what happens (default pretty)" },
    install: { type: "boolean", description: "prepare the named cluster first, as sluice install does" },
    once: { type: "boolean", description: "wait until everything is Ready, print the result, and exit 0 or 1" },
  },
  run: async ({ args, cmd }) => {
    let code = 1;
    try {
      requireKnownFlags(args, cmd.args ?? {});
      code = await run(parseStartOptions(args));
    } catch (error) {
      console.error(`sluice: ${messageOf(error)}`);
    }
    // A start that was interrupted goes on in vain; watchdogs end the servers that it still makes.
    process.exit(code);
  },
});

/** Runs until it is told to stop, or with `--once` until everything is Ready. Resolves with the exit code, all children gone. */
async function run(options: StartOptions): Promise<number> {
  const console = createStartConsole(options.log, (line) => process.stdout.write(`${line}\n`));
  const stopping = stopSignal();
  const ending: (() => Promise<void>)[] = [];
  try {
    const cluster = await unless(stopping, startCluster(options, console.say));
    ending.push(cluster.stop);
    const client = await unless(stopping, startAll(options, cluster, console, ending));
    if (options.once) {
      const { ready, objects } = await waitUntilAllReady(client, { seconds: onceSeconds, signal: stopping });
      console.result(ready, objects);
      return ready ? 0 : 1;
    }
    const failure = await Promise.race([aborted(stopping), cluster.failed]);
    if (failure !== undefined) throw new Error(`the embedded cluster has failed: ${failure}`);
    console.say("Stopping.");
    return 0;
  } catch (error) {
    if (stopping.aborted) return 130;
    throw error;
  } finally {
    await endAll(ending);
  }
}

async function startAll(
  options: StartOptions,
  cluster: StartedCluster,
  console: StartConsole,
  ending: (() => Promise<void>)[],
) {
  const view = createLiveView(console.step);
  const client = connect(
    { type: "kubeconfig", kubeconfig: await cluster.kubeconfig() },
    { userAgent: "sluice/0.1.0", trusted: true },
  );
  const awsCredentials = environmentCredentials(process.env);
  if (awsCredentials !== undefined)
    console.say(
      "AWS credentials are in the environment: they decrypt files of AWS KMS for every Kustomization that names none of its own.",
    );
  const install = options.install || cluster.embedded !== undefined;
  const host = await startHost({
    directory: cluster.directory,
    listen: options.listen,
    ...(options.advertise === undefined ? {} : { advertise: options.advertise }),
    cluster: { id: clusterId, kubeconfig: cluster.kubeconfig },
    concurrency: options.concurrency,
    log: console.log,
    awsCredentials,
    wrap: view.wrap,
    prepare: async ({ endpoint, certificateAuthority, admissionSeed: seed }) => {
      if (!install) {
        await requirePrepared(client);
        return requireKnownGates(client);
      }
      console.say("Installing Sluice: kinds, roles, placeholders and the admission webhook.");
      await installInto(client, { clusterId, admission: { endpoint, certificateAuthority, seed } });
    },
  });
  ending.push(host.stop);
  const certificatePath = join(cluster.directory, "tls", "ca.crt");
  console.say(`Sluice works, and listens on ${host.endpoint}.`);
  if (cluster.embedded === undefined) {
    console.say(
      `A Receiver's webhook is that address with its status.webhookPath; ${certificatePath} is who signed it.`,
    );
    return client;
  }

  const { kubeconfigPath, sampleDirectory } = cluster.embedded;
  const server = await startSampleServer(sampleDirectory, sampleContent);
  ending.push(server.stop);
  await followSample({
    client,
    host,
    server,
    seen: (push) => {
      if (push.branch === "main") view.pushed(sampleName, push);
    },
    failed: (error) => console.log.error("the push could not be told to the Receiver", { error: String(error) }),
  });
  console.say(guide(kubeconfigPath, server.url, await kubectlDirectory()));
  return client;
}

function guide(kubeconfigPath: string, url: string, kubectl: string | undefined): string {
  const path = kubectl === undefined ? "" : `export PATH="$PATH:${kubectl}"\n                 `;
  return `
The cluster:     ${path}export KUBECONFIG=${kubeconfigPath}
                 kubectl get gitrepositories,kustomizations -A
                 kubectl -n sample get configmap hello -o yaml

Push a change:   git clone ${url}
                 cd sample
                 sed -i.bak 's/Hello.*/Hello again/' deploy/hello.yaml
                 git commit -am 'Say hello again' && git push

Ctrl-C stops everything.
`;
}

/** Where a kubectl is for a user who has none. */
async function kubectlDirectory(): Promise<string | undefined> {
  const directories = (process.env.PATH ?? "").split(delimiter);
  return directories.some((directory) => existsSync(join(directory, "kubectl")))
    ? undefined
    : dirname(await kustomizeBinary());
}

/** Ends with the first SIGINT or SIGTERM; a second one ends this process at once, and watchdogs its children. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(130);
      controller.abort();
    });
  }
  return controller.signal;
}

/** What the promise comes to, or a rejection as soon as the signal ends. */
async function unless<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  const interrupted = aborted(signal).then(() => Promise.reject(new Error("interrupted")));
  return Promise.race([promise, interrupted]);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    // A signal alone does not keep a process alive.
    const alive = setInterval(() => undefined, 60_000);
    signal.addEventListener("abort", () => {
      clearInterval(alive);
      resolve();
    });
  });
}
