import { mkdir, realpath } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { freePort } from "../../../lib/host/free-port.ts";
import { type ServerProcess, startServer } from "../../../lib/host/server-process.ts";
import { pythonWithLocalStack } from "./environment.ts";

/** AWS on this machine: LocalStack, whose Lambda functions are local Node processes. */
export type LocalStack = {
  /** `http://127.0.0.1:<port>`: with an address for a name, the SDK asks for S3 buckets by path and needs no DNS. */
  endpoint: string;
  region: string;
  account: string;
  /** What the SDK, the CDK and functions need in their environment to use it. */
  env: Record<string, string>;
  /** Directory of a log file for each environment of a function: `<function>-<id>.log`. */
  functionLogs: string;
  /** File of PEM that functions trust besides the public authorities, where it is there when they start; a test may append to it. */
  authorities: string;
  /** Ends it with all its functions, and forgets everything that was stored. */
  stop(): Promise<void>;
};

/** `directory` gets its data and logs; `log` tells of the first installation. */
export type LocalStackOptions = { directory: string; log?: (line: string) => void };

const region = "us-east-1";
const account = "000000000000";
const patience = 60_000;

/**
 * Starts LocalStack on a free port of the loopback interface, and installs it first where this machine has not done so yet. Any
 * number run side by side. Functions run on the Node that runs this. Rejects with the end of its log where it does not start.
 */
export async function startLocalStack(options: LocalStackOptions): Promise<LocalStack> {
  const python = await pythonWithLocalStack(options.log ?? (() => undefined));
  const directory = resolve(options.directory);
  const functionLogs = join(directory, "functions");
  const authorities = join(directory, "authorities.pem");
  for (const name of ["tmp", "cache", "root", "volume", "functions"]) {
    await mkdir(join(directory, name), { recursive: true });
  }
  const port = await freePort();
  const server = await startServer({
    name: "LocalStack",
    command: python,
    args: ["-m", "localstack.runtime.main"],
    log: join(directory, "localstack.log"),
    env: await settings(directory, port, functionLogs, authorities),
  });
  const endpoint = `http://127.0.0.1:${port}`;
  try {
    await answers(endpoint, server);
  } catch (error) {
    await server.stop();
    throw error;
  }
  const env = clientEnvironment(endpoint, port);
  return { endpoint, region, account, env, functionLogs, authorities, stop: server.stop };
}

async function settings(
  directory: string,
  port: number,
  functionLogs: string,
  authorities: string,
): Promise<Record<string, string>> {
  return {
    PATH: process.env.PATH ?? "",
    HOME: directory,
    PYTHONPATH: join(import.meta.dirname, "plugin"),
    PYTHONDONTWRITEBYTECODE: "1",
    // Everything that it writes, and what it remembers of its plug-ins, stays in the directory.
    TMPDIR: join(directory, "tmp"),
    XDG_CACHE_HOME: join(directory, "cache"),
    FILESYSTEM_ROOT: join(directory, "root"),
    LOCALSTACK_VOLUME_DIR: join(directory, "volume"),
    GATEWAY_LISTEN: `127.0.0.1:${port}`,
    // A name, since the URL of a function is `<id>.lambda-url.<region>.<this>`.
    LOCALSTACK_HOST: `localhost:${port}`,
    SQS_ENDPOINT_STRATEGY: "path",
    DNS_ADDRESS: "0",
    DISABLE_EVENTS: "1",
    SKIP_SSL_CERT_DOWNLOAD: "1",
    // A resource type that LocalStack does not know is an error, not a resource that is silently missing.
    CFN_IGNORE_UNSUPPORTED_RESOURCE_TYPES: "0",
    // The plug-in's pollers wait in the queue, not between two looks at it.
    LAMBDA_EVENT_SOURCE_MAPPING_POLL_INTERVAL_SEC: "0",
    LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_EMPTY_POLL_SEC: "0.001",
    LAMBDA_RUNTIME_EXECUTOR: "process",
    LAMBDA_PROCESS_NODE: await realpath(process.execPath),
    LAMBDA_PROCESS_LOGS: functionLogs,
    LAMBDA_PROCESS_AUTHORITIES: authorities,
  };
}

function clientEnvironment(endpoint: string, port: number): Record<string, string> {
  return {
    AWS_ENDPOINT_URL: endpoint,
    // The name that queue URLs carry; another one would make the SDK warn at each call.
    AWS_ENDPOINT_URL_SQS: `http://localhost:${port}`,
    AWS_ACCESS_KEY_ID: "test",
    AWS_SECRET_ACCESS_KEY: "test",
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    AWS_EC2_METADATA_DISABLED: "true",
  };
}

/** Whoever answers on the port while the server runs is the server: it ends where the port is taken. */
async function answers(endpoint: string, server: ServerProcess): Promise<void> {
  for (const deadline = Date.now() + patience; Date.now() < deadline && server.running(); await wait(50)) {
    const response = await fetch(`${endpoint}/_localstack/health`, { signal: AbortSignal.timeout(5_000) }).catch(
      () => undefined,
    );
    await response?.body?.cancel();
    if (response?.status === 200 && server.running()) return;
  }
  throw new Error(`LocalStack does not answer:\n${await server.logTail()}`);
}
