import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { get } from "node:http";
import { get as getTls } from "node:https";
import { join, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { freePort } from "../../../lib/host/free-port.ts";
import { goBinaries } from "../../../lib/host/go-binaries.ts";
import { type ServerProcess, startServer } from "../../../lib/host/server-process.ts";

/** A container registry that runs. */
export type Registry = {
  /** `http(s)://127.0.0.1:<port>` */
  url: string;
  /** Host and port, as they begin a reference: `127.0.0.1:<port>/name:tag`. */
  address: string;
  /** Ends it; what was pushed stays in the directory. */
  stop(): Promise<void>;
};

/** Whom a registry with `auth: "basic"` lets in. */
export const registryUser = { username: "puller", password: "s3cret-canary" };
/** The same as htpasswd writes it, by bcrypt. */
const htpasswd = "puller:$2y$05$abcdefghijklmnopqrstuullx5kP6GYZcFnepqhmI2H03s5Hsbhlm\n";

/**
 * `directory` holds what is pushed, and the log. With `tls` (PEM) it speaks HTTPS. `auth` lets in `registryUser` alone, or whoever has a
 * token that a service signs (distribution, "Token Authentication"). `log` tells of the first build.
 */
export type RegistryOptions = {
  directory: string;
  tls?: { certificate: string; key: string };
  auth?: "basic" | { realm: string; service: string; issuer: string; certificate: string };
  log?: (line: string) => void;
};

const patience = 60_000;

/**
 * Starts the CNCF's distribution registry on a free port of the loopback interface, and builds it first where this machine has
 * not yet done so (about two minutes on two cores). Anybody may push, delete and pull. Rejects with the end of its log where it fails.
 */
export async function startRegistry(options: RegistryOptions): Promise<Registry> {
  const binaries = await goBinaries(
    {
      name: "registry",
      directory: import.meta.dirname,
      packages: { registry: "github.com/distribution/distribution/v3/cmd/registry" },
      ldflags: "-s -w",
    },
    options.log ?? (() => undefined),
  );
  const directory = resolve(options.directory);
  await mkdir(directory, { recursive: true });
  const address = `127.0.0.1:${await freePort()}`;
  const configuration = join(directory, "registry.json");
  await writeFile(configuration, JSON.stringify(await settings(directory, address, options)));
  const server = await startServer({
    name: "registry",
    command: binaries.get("registry") ?? "registry",
    args: ["serve", configuration],
    log: join(directory, "registry.log"),
    // The program sends traces to localhost:4318 unless told not to.
    env: { OTEL_TRACES_EXPORTER: "none" },
  });
  const url = `${options.tls ? "https" : "http"}://${address}`;
  try {
    await answers(url, server);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return { url, address, stop: server.stop };
}

/** JSON is YAML too. */
async function settings(directory: string, address: string, options: RegistryOptions): Promise<unknown> {
  const tls: Record<string, string> = {};
  if (options.tls) {
    tls.certificate = join(directory, "registry.crt");
    tls.key = join(directory, "registry.key");
    await writeFile(tls.certificate, options.tls.certificate);
    await writeFile(tls.key, options.tls.key, { mode: 0o600 });
  }
  return {
    version: "0.1",
    log: { level: "warn", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(directory, "data") }, delete: { enabled: true } },
    http: { addr: address, secret: randomBytes(16).toString("hex"), ...(options.tls ? { tls } : {}) },
    ...(await authentication(directory, options)),
  };
}

async function authentication(directory: string, { auth }: RegistryOptions): Promise<Record<string, unknown>> {
  if (auth === undefined) return {};
  if (auth === "basic") {
    const path = join(directory, "htpasswd");
    await writeFile(path, htpasswd, { mode: 0o600 });
    return { auth: { htpasswd: { realm: "test bed", path } } };
  }
  const { certificate, ...token } = auth;
  const rootcertbundle = join(directory, "token.crt");
  await writeFile(rootcertbundle, certificate);
  return { auth: { token: { ...token, rootcertbundle } } };
}

/** Whoever answers on the port while the server runs is the server: it ends where the port is taken. */
async function answers(url: string, server: ServerProcess): Promise<void> {
  for (const deadline = Date.now() + patience; Date.now() < deadline; await wait(25)) {
    if (!server.running()) break;
    const status = await new Promise<number>((resolveStatus) => {
      const done = (code: number | undefined): void => resolveStatus(code ?? 0);
      const asking = url.startsWith("https:")
        ? getTls(`${url}/v2/`, { agent: false, rejectUnauthorized: false }, (response) =>
            done(response.resume().statusCode),
          )
        : get(`${url}/v2/`, { agent: false }, (response) => done(response.resume().statusCode));
      asking.once("error", () => done(0));
    });
    if ((status === 200 || status === 401) && server.running()) return;
  }
  throw new Error(`the registry does not answer:\n${await server.logTail()}`);
}
