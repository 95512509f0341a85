import { execFile } from "node:child_process";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import { alone, cacheDirectory } from "../../../lib/host/cache.ts";
import { freePort } from "../../../lib/host/free-port.ts";
import { goBinaries } from "../../../lib/host/go-binaries.ts";
import { startServer } from "../../../lib/host/server-process.ts";

/** A Vault that runs, initialized and unsealed. */
export type Vault = {
  /** `http://127.0.0.1:<port>` */
  address: string;
  rootToken: string;
  /** Asks its API, as root. Throws where the answer is none of success. */
  request(method: "GET" | "POST", path: string, body?: unknown): Promise<{ [field: string]: unknown }>;
  stop(): Promise<void>;
};

const modulePath = "github.com/hashicorp/vault@v1.21.4";
/** What go.sum says of the module, which it does not check for a directory. */
const moduleSum = "h1:KHGcdSnJtombvae1gDk+jZ50kiFngJPFDOvcCJRnU0c=";
/**
 * The module is built in its repository with a state of its sdk that has no version. These calls, which no test makes, are
 * adapted to the nearest one that has: restoring transit keys, and a flag that merges entities.
 */
const adaptations = [
  ["builtin/logical/transit/path_restore.go", "err := b.lm.RestorePolicy(", "err := keyName, b.lm.RestorePolicy("],
  ["vault/identity_store.go", "ActivationFunc: iStore.activateDeduplication,", "ActivationFunc: nil,"],
  ["vault/logical_system_activation_flags.go", "ActivationFunc(ctx, nil);", 'ActivationFunc(ctx, nil, "");'],
] as const;
const needed = ["audit", "builtin", "command", "helper", "http", "internal", "internalshared", "limits", "physical"];
const alsoNeeded = ["plugins", "serviceregistration", "shamir", "vault", "version", "go.mod"];

const patience = 60_000;

/**
 * Starts HashiCorp Vault's server on a free port of the loopback interface, and builds it first where this machine has not yet
 * done so (about five minutes on two cores). Its licence (BUSL 1.1) allows tests. Rejects with the end of its log.
 */
export async function startVault(directory: string, log: (line: string) => void = () => undefined): Promise<Vault> {
  const command = await vaultBinary(log);
  await mkdir(directory, { recursive: true });
  const port = await freePort();
  const tokenFile = join(directory, "root-token");
  const server = await startServer({
    name: "Vault",
    command,
    args: [`127.0.0.1:${port}`, tokenFile],
    log: join(directory, "vault.log"),
  });
  const address = `http://127.0.0.1:${port}`;
  for (const deadline = Date.now() + patience; Date.now() < deadline && server.running(); await wait(50)) {
    const rootToken = await readFile(tokenFile, "utf8").catch(() => "");
    if (rootToken === "") continue;
    const request: Vault["request"] = (method, path, body) => ask(`${address}/v1/${path}`, rootToken, method, body);
    // It answers before it has all that a request needs.
    if (await request("GET", "sys/mounts").catch(() => undefined))
      return { address, rootToken, request, stop: server.stop };
  }
  const tail = await server.logTail();
  await server.stop();
  throw new Error(`Vault does not answer:\n${tail}`);
}

async function ask(url: string, token: string, method: string, body?: unknown): Promise<{ [field: string]: unknown }> {
  const response = await fetch(url, {
    method,
    headers: { "x-vault-token": token },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(10_000),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${text}`);
  return text === "" ? {} : JSON.parse(text);
}

async function vaultBinary(log: (line: string) => void): Promise<string> {
  const directory = await preparedModule(log);
  const binaries = await goBinaries({ name: "vault", directory, packages: { vault: "." }, ldflags: "-s -w" }, log);
  return binaries.get("vault") ?? "vault";
}

/** The Go module with the source of Vault beside it, made once on this machine. */
async function preparedModule(log: (line: string) => void): Promise<string> {
  const files = await Promise.all(
    ["go.mod", "go.sum", "main.go"].map(async (name) => ({
      name,
      text: await readFile(join(import.meta.dirname, name), "utf8"),
    })),
  );
  const decisive = [...files.map(({ text }) => text), JSON.stringify(adaptations), moduleSum];
  const directory = cacheDirectory("vault-module", ...decisive);
  const done = join(directory, "done");
  await alone(
    directory,
    () => log("another process is preparing the source of Vault: waiting for it"),
    async () => {
      if ((await readFile(done, "utf8").catch(() => "")) === moduleSum) return;
      const source = join(directory, "source");
      await rm(source, { recursive: true, force: true });
      const { stdout } = await promisify(execFile)("go", ["mod", "download", "-json", modulePath], {
        cwd: directory,
        env: { ...process.env, GOWORK: "off", GOFLAGS: "" },
      });
      const { Dir: from, Sum: sum } = JSON.parse(stdout);
      if (sum !== moduleSum) throw new Error(`${modulePath} has the sum ${sum}, not ${moduleSum}`);
      for (const name of [...needed, ...alsoNeeded])
        await cp(join(from, name), join(source, name), { recursive: true, mode: 0 });
      await promisify(execFile)("chmod", ["-R", "u+w", source]);
      for (const [name, text, adapted] of adaptations) {
        const path = join(source, name);
        const before = await readFile(path, "utf8");
        if (!before.includes(text)) throw new Error(`${name} of ${modulePath} has no '${text}'`);
        await writeFile(path, before.replace(text, adapted));
      }
      for (const { name, text } of files) await writeFile(join(directory, name), text);
      await writeFile(done, moduleSum);
    },
  );
  return directory;
}
