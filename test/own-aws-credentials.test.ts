import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ControlPlane, startControlPlane } from "../lib/host/control-plane/control-plane.ts";
import { freePort } from "../lib/host/free-port.ts";
import { bedPart } from "./bed/bed.ts";
import { createKey } from "./bed/localstack/call.ts";
import type { BedAws } from "./bed/parts.ts";
import { openSopsWorkshop, type SopsWorkshop } from "./bed/sops/workshop.ts";
import { conditionOf, openWorkspace, type Workspace } from "./bed/workspace.ts";

let directory: string;
let aws: BedAws;
let plane: ControlPlane;
let workspace: Workspace;
let workshop: SopsWorkshop;
/** The addresses of artifacts outlive a start. */
let port: number;

/** The command line at work for a cluster of this file's own, with an environment that the test decides. */
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-own-"));
  aws = await bedPart("localstack");
  workshop = await openSopsWorkshop(await bedPart("sops"));
  port = await freePort();
  plane = await startControlPlane({ directory: join(directory, "plane") });
}, 600_000);

afterAll(async () => {
  await workspace?.close();
  await plane?.stop();
  await workshop?.close();
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
});

/** Starts `sluice start` and waits until it works. */
async function start(env: Record<string, string>): Promise<{ output: () => string; stop(): Promise<void> }> {
  const cluster = ["--kubeconfig", plane.kubeconfigPath, "--context", "sluice"];
  const place = ["--data", join(directory, "data"), "--listen", `127.0.0.1:${port}`];
  const program = join(import.meta.dirname, "../lib/cli/sluice.ts");
  const child = spawn(process.execPath, [program, "start", ...cluster, ...place, "--install"], {
    cwd: directory,
    env: { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(child, "exit");
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  const stop = async () => {
    child.kill("SIGINT");
    await ended;
  };
  await expect.poll(() => child.exitCode !== null || output.includes("listens on"), { timeout: 30_000 }).toBe(true);
  return { output: () => output, stop };
}

describe("AWS credentials of sluice start", () => {
  it("KS-100, SN-19: those of the environment decrypt for a Kustomization that names none; without them it fails", async () => {
    const endpoint = { AWS_ENDPOINT_URL: aws.endpoint };
    const without = await start(endpoint);
    workspace = await openWorkspace("own", { sluice: { cluster: plane, endpoint: "", certificateAuthority: "" } });
    const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "a" }, stringData: { a: "clear" } };
    const args = ["--kms", await createKey(aws), "--encrypted-regex", "^(data|stringData)$"];
    const encrypted = await workshop.encrypt(JSON.stringify(secret), "json", args, undefined, aws.env);
    const repository = await workspace.repository({ "a.yaml": encrypted.toString() });
    await workspace.gitRepository("source", repository.url);
    await workspace.kustomization("app", { decryption: { provider: "sops" }, retryInterval: "1s" });
    const sentence = "failed to create provider access token for the controller:";
    await workspace.until(
      "Kustomization",
      "app",
      ({ status }) => conditionOf(status, "Ready")?.message.includes(sentence) === true,
    );
    expect(without.output()).not.toContain("AWS credentials");
    await without.stop();

    const half = await start({ ...endpoint, AWS_ACCESS_KEY_ID: "test" });
    expect(half.output()).toContain("sluice: AWS_SECRET_ACCESS_KEY is not set, but others of AWS's credentials are");

    const hushed = "hush-hush";
    const own = await start({ ...endpoint, AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: hushed });
    await workspace.untilReady("Kustomization", "app");
    const applied = await workspace.find("Secret", "a");
    expect(applied?.data).toEqual({ a: Buffer.from("clear").toString("base64") });
    expect(own.output()).toContain("AWS credentials are in the environment: they decrypt");
    expect(own.output()).not.toContain(hushed);
    await own.stop();
  }, 120_000);
});
