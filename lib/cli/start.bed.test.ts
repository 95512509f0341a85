import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { KubernetesObject } from "../api/object.ts";
import { connect } from "../cluster/connect.ts";
import { applyObject, findObject } from "../cluster/objects.ts";
import { type ControlPlane, startControlPlane } from "../host/control-plane/control-plane.ts";
import { sampleContent, sampleObjects } from "../host/sample/sample-objects.ts";
import { startSampleServer } from "../host/sample/sample-server.ts";
import { installInto } from "./install-cluster.ts";

const program = join(import.meta.dirname, "sluice.ts");
let directory: string;
let running: ChildProcess[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-start-"));
  running = [];
});
afterEach(async () => {
  for (const child of running) if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
});

type Run = {
  child: ChildProcess;
  output: () => string;
  until: (text: string | RegExp) => Promise<string>;
  exit: Promise<number | null>;
};

function sluice(...args: string[]): Run {
  const child = spawn(process.execPath, [program, ...args], { cwd: directory, stdio: ["ignore", "pipe", "pipe"] });
  running.push(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  const exit = once(child, "close").then(([code]: unknown[]) => (typeof code === "number" ? code : null));
  const until = async (text: string | RegExp) => {
    const found = () => (typeof text === "string" ? output.includes(text) : text.test(output));
    for (let look = 0; look < 3000 && !found() && child.exitCode === null; look++) await sleep(20);
    if (!found()) throw new Error(`${String(text)} does not come:\n${output}`);
    return output;
  };
  return { child, output: () => output, until, exit };
}

/** The processes of this machine whose command line holds a path. */
function processesOf(path: string): string[] {
  const { stdout } = spawnSync("ps", ["-eo", "stat=,args="], { encoding: "utf8" });
  return stdout.split("\n").filter((line) => line.includes(path) && !line.startsWith("Z"));
}

/** Processes that were started for the test's directory and are still there a moment after their parent has ended. */
async function survivors(path = directory): Promise<string[]> {
  for (let look = 0; ; look++) {
    const found = processesOf(path);
    if (found.length === 0 || look === 40) return found;
    await sleep(50);
  }
}

function git(cwd: string, ...args: string[]): void {
  const identity = {
    GIT_AUTHOR_NAME: "t",
    GIT_AUTHOR_EMAIL: "t@t",
    GIT_COMMITTER_NAME: "t",
    GIT_COMMITTER_EMAIL: "t@t",
  };
  const env = { PATH: process.env.PATH ?? "", GIT_CONFIG_NOSYSTEM: "1", GIT_CONFIG_GLOBAL: "/dev/null", ...identity };
  const { status, stderr } = spawnSync("git", args, { cwd, env, encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
}

const clientOf = (kubeconfig: string) =>
  connect({ type: "kubeconfig", kubeconfig }, { userAgent: "test", trusted: true });
const hello = { apiVersion: "v1", kind: "ConfigMap", namespace: "sample", name: "hello" };
const messageIn = async (kubeconfig: string) =>
  (await findObject<KubernetesObject & { data?: { message?: string } }>(clientOf(kubeconfig), hello))?.data?.message;

function healthz(url: string, ca: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const asking = request(`${url}/healthz`, { ca, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    asking.on("error", reject);
    asking.end();
  });
}

describe("sluice start", () => {
  it("--once: starts everything, applies the sample, prints the result, exits 0 and leaves nothing behind", async () => {
    const run = sluice("start", "--once", "--data", join(directory, "data"));
    expect([await run.exit, run.output()]).toEqual([0, expect.stringContaining("Everything is ready.")]);
    expect(run.output()).toMatch(/Ready +GitRepository\/flux-system\/sample +stored artifact for revision 'main@sha1:/);
    expect(run.output()).toMatch(/Ready +Kustomization\/flux-system\/sample +Applied revision: main@sha1:/);
    expect(await survivors()).toEqual([]);
  });

  it("a push to the sample repository is in the cluster at once, told step by step; Ctrl-C stops every child", async () => {
    const run = sluice("start", "--data", "data");
    const output = await run.until(/healthy {2}Kustomization\/flux-system\/sample/);
    const kubeconfig = await readFile(/KUBECONFIG=(.*)/.exec(output)?.[1] ?? "", "utf8");
    expect(await messageIn(kubeconfig)).toBe("Hello");

    git(directory, "clone", "--quiet", /git clone (.*)/.exec(output)?.[1] ?? "", "clone");
    await writeFile(
      join(directory, "clone/deploy/hello.yaml"),
      (sampleContent["deploy/hello.yaml"] ?? "").replace("Hello", "Hi"),
    );
    git(join(directory, "clone"), "commit", "--quiet", "--all", "--message", "Say hi");
    const pushed = Date.now();
    git(join(directory, "clone"), "push", "--quiet");
    while ((await messageIn(kubeconfig)) !== "Hi" && Date.now() - pushed < 10_000) await sleep(20);
    expect(await messageIn(kubeconfig)).toBe("Hi");
    expect(Date.now() - pushed).toBeLessThan(5_000);
    await run.until(
      /push .*'Say hi'\n(.*\n)*.* webhook .*\n(.*\n)*.* fetched .*'Say hi'\n(.*\n)*.* applied .*hello configured\n(.*\n)*.* healthy /,
    );

    const store = /etcd-servers=unix:\/\/(\S+)\/clients/.exec(processesOf(directory).join("\n"))?.[1] ?? "";
    expect(processesOf(store).some((line) => line.includes("etcd "))).toBe(true);
    run.child.kill("SIGINT");
    expect(await run.exit).toBe(0);
    expect([await survivors(), await survivors(store), existsSync(store)]).toEqual([[], [], false]);
  });

  it("the sample repository stays over a restart, with what was pushed", async () => {
    const server = await startSampleServer(join(directory, "data/embedded/git"), sampleContent);
    await server.repository.commit({
      "deploy/hello.yaml": (sampleContent["deploy/hello.yaml"] ?? "").replace("Hello", "Kept"),
    });
    await server.stop();
    const run = sluice("start", "--once", "--data", "data", "--log", "json");
    expect(await run.exit).toBe(0);
    const lines = run
      .output()
      .trim()
      .split("\n")
      .map((line): { message: string; url?: string } => JSON.parse(line));
    expect(lines.at(-1)?.message).toBe("everything is ready");
    expect(run.output()).toContain(server.url);
  });

  it("a directory that another one works in is refused in a sentence", async () => {
    const first = sluice("start", "--data", "data");
    await first.until("Starting an embedded cluster");
    const second = sluice("start", "--once", "--data", "data");
    expect(await second.exit).toBe(1);
    expect(second.output()).toMatch(/^sluice: .* is in use by process \d+: .* --data DIR\n$/);
    first.child.kill("SIGTERM");
    expect(await first.exit).toBe(130);
    expect(await survivors()).toEqual([]);
  });

  it("a server of the embedded cluster that ends is told, and ends everything", async () => {
    const run = sluice("start", "--data", "data");
    await run.until(/healthy {2}Kustomization/);
    const store = /etcd-servers=unix:\/\/(\S+)\/clients/.exec(processesOf(directory).join("\n"))?.[1] ?? "";
    const { stdout } = spawnSync("ps", ["-eo", "pid=,args="], { encoding: "utf8" });
    const etcd = stdout.split("\n").find((line) => line.includes(`--data-dir=${store}/data`));
    process.kill(Number(etcd?.trim().split(" ")[0]), "SIGKILL");
    expect(await run.exit).toBe(1);
    expect(run.output()).toContain("sluice: the embedded cluster has failed: etcd ended with SIGKILL");
    expect(await survivors()).toEqual([]);
  });

  it("--help tells every flag", async () => {
    const run = sluice("start", "--help");
    expect(await run.exit).toBe(0);
    for (const flag of [
      "kubeconfig",
      "context",
      "data",
      "listen",
      "advertise",
      "concurrency",
      "log",
      "install",
      "once",
    ])
      expect(run.output()).toContain(`--${flag}`);
  });
});

describe("sluice start with a named cluster", () => {
  let plane: ControlPlane;
  let kubeconfigPath: string;
  let touched: number;
  let stopOther: () => void;

  beforeEach(async () => {
    plane = await startControlPlane({ directory: join(directory, "control-plane") });
    touched = 0;
    const other = createServer((socket) => {
      touched++;
      socket.destroy();
    }).listen(0, "127.0.0.1");
    await once(other, "listening");
    const address = other.address();
    stopOther = () => other.close();
    const port = typeof address === "object" ? address?.port : 0;
    kubeconfigPath = join(directory, "kubeconfig");
    const withAnother = plane.kubeconfig
      .replace(/^clusters:$/m, `clusters:\n  - name: other\n    cluster: {server: "https://127.0.0.1:${port}"}`)
      .replace(/^contexts:$/m, "contexts:\n  - name: other\n    context: {cluster: other, user: admin}")
      .replace(/^current-context: .*$/m, "current-context: other");
    await writeFile(kubeconfigPath, withAnother);
  });
  afterEach(async () => {
    stopOther();
    await plane?.stop();
  });

  it("touches that context alone, and without a name none: it lists them", async () => {
    const unnamed = sluice("start", "--once", "--kubeconfig", kubeconfigPath, "--data", "data");
    expect(await unnamed.exit).toBe(1);
    expect(unnamed.output()).toMatch(/^sluice: --kubeconfig needs --context NAME, .*: it has 'other', 'sluice'\n$/);

    const bare = sluice(
      "start",
      "--once",
      "--kubeconfig",
      "kubeconfig",
      "--context",
      "sluice",
      "--listen",
      "127.0.0.1:0",
    );
    expect(await bare.exit).toBe(1);
    expect(bare.output()).toContain("sluice: the cluster does not serve GitRepository");

    const named = sluice(
      "start",
      "--once",
      "--kubeconfig",
      "kubeconfig",
      "--context",
      "sluice",
      "--install",
      "--listen",
      "127.0.0.1:0",
    );
    expect([await named.exit, named.output()]).toEqual([0, expect.stringContaining("Everything is ready.")]);
    expect(touched).toBe(0);

    const other = sluice(
      "start",
      "--once",
      "--kubeconfig",
      "kubeconfig",
      "--context",
      "other",
      "--data",
      ".sluice/contexts/sluice",
    );
    expect(await other.exit).toBe(1);
    expect(other.output()).toContain("holds the state of the cluster at");
    expect(touched).toBe(0);
  });

  it("works for it: GET /healthz answers 200, and what the cluster is given is applied at once", async () => {
    const client = clientOf(plane.kubeconfig);
    await installInto(client, { clusterId: "default" });
    const server = await startSampleServer(join(directory, "git"), sampleContent);
    const args = [
      "start",
      "--kubeconfig",
      "kubeconfig",
      "--context",
      "sluice",
      "--data",
      "data",
      "--listen",
      "127.0.0.1:0",
      "--install",
    ];
    const run = sluice(...args);
    const url = /listens on (https:\S+:\d+)/.exec(await run.until("listens on"))?.[1] ?? "";
    expect(await healthz(url, await readFile(join(directory, "data/tls/ca.crt"), "utf8"))).toBe(200);
    for (const object of sampleObjects(server.url, "token"))
      await applyObject(client, object, { fieldManager: "kubectl" });
    await run.until(/healthy {2}Kustomization/);
    expect(await messageIn(plane.kubeconfig)).toBe("Hello");
    run.child.kill("SIGINT");
    expect(await run.exit).toBe(0);
    await server.stop();
  });
});
