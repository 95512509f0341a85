import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { bedPart } from "./bed/bed.ts";
import { type DeployedSluice, deploySluice } from "./bed/localstack/deployment.ts";
import { configMap, openWorkspace, type Workspace } from "./bed/workspace.ts";

let directory: string;
let sluice: DeployedSluice;
let first: Workspace;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-deployed-"));
  const aws = await bedPart("localstack");
  for (const [name, value] of Object.entries(aws.env)) vi.stubEnv(name, value);
  sluice = await deploySluice(aws, { name: "sluice", directory, clusters: 1, log: (line) => console.warn(line) });
  const [one] = sluice.clusters;
  if (one === undefined) throw new Error("there is no cluster");
  first = await openWorkspace("deployed", { sluice: one });
});

afterAll(async () => {
  await first?.close();
  await sluice?.stop();
  vi.unstubAllEnvs();
  await rm(directory, { recursive: true, force: true, maxRetries: 3 });
});

describe("Sluice on AWS", () => {
  it("a push with a signed webhook reaches the cluster through function URL, queues, functions and bucket", async () => {
    const repository = await first.repository({ "app/config.yaml": configMap("config", { colour: "blue" }) });
    await first.gitRepository("source", repository.url);
    await first.kustomization("app", { path: "./app" });
    await first.untilReady("Kustomization", "app", 30);
    const call = await first.receiver("push", "github", [{ kind: "GitRepository", name: "source" }]);
    await first.untilReady("Receiver", "push");
    await repository.commit({ "app/config.yaml": configMap("config", { colour: "green" }) });
    expect(await call()).toBe(200);
    await first.until("ConfigMap", "config", ({ data }) => JSON.stringify(data) === '{"colour":"green"}', 10);
  });
});
