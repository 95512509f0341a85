import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SendMessageCommand, SetQueueAttributesCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { GitRepository } from "../lib/host/git/repository.ts";
import { bedPart } from "./bed/bed.ts";
import { callAws } from "./bed/localstack/call.ts";
import { type DeployedSluice, deploySluice } from "./bed/localstack/deployment.ts";
import { drain } from "./bed/localstack/event-source.ts";
import type { BedAws } from "./bed/parts.ts";
import { conditionOf, configMap, openWorkspace, post, type Reconciled, type Workspace } from "./bed/workspace.ts";

/** A repository that the deployment names in ECR, which is not there: the functions get as far as its host. */
const images = "team/apps";

let aws: BedAws;
let directory: string;
let sluice: DeployedSluice;
let first: Workspace;
let second: Workspace;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-deployed-"));
  aws = await bedPart("localstack");
  for (const [name, value] of Object.entries(aws.env)) vi.stubEnv(name, value);
  const settings = { sources: { registries: [`arn:aws:ecr:${aws.region}:${aws.account}:repository/${images}`] } };
  const log = (line: string) => console.warn(line);
  sluice = await deploySluice(aws, { name: "sluice", directory, clusters: 2, settings, log });
  const [one, two] = sluice.clusters;
  if (one === undefined || two === undefined) throw new Error("a cluster is missing");
  first = await openWorkspace("first", { sluice: one });
  second = await openWorkspace("second", { sluice: two });
});

afterAll(async () => {
  await first?.close();
  await second?.close();
  await sluice?.stop();
  vi.unstubAllEnvs();
  await rm(directory, { recursive: true, force: true, maxRetries: 3 });
});

const isColour = (colour: string) => (object: Reconciled) => JSON.stringify(object.data) === `{"colour":"${colour}"}`;

/** Seconds. A dozen Node processes start on the way of the first push; test/push.test.ts holds the bar of 3 s. */
const patience = 60;
const soon = 10;

describe("Sluice on AWS", { timeout: 150_000 }, () => {
  let repository: GitRepository;
  let call: () => Promise<number>;

  it("a push with a signed webhook reaches the cluster through function URL, queues, functions and bucket", async () => {
    repository = await first.repository({ "app/config.yaml": configMap("config", { colour: "blue" }) });
    await first.gitRepository("source", repository.url);
    await first.kustomization("app", { path: "./app", interval: "1m" });
    await first.untilReady("Kustomization", "app", patience);
    call = await first.receiver("push", "github", [{ kind: "GitRepository", name: "source" }]);
    await first.untilReady("Receiver", "push", patience);
    await repository.commit({ "app/config.yaml": configMap("config", { colour: "green" }) });
    expect(await call()).toBe(200);
    await first.until("ConfigMap", "config", isColour("green"), patience);
  });

  it("a webhook with a wrong signature is refused", async () => {
    const path = (await first.find("Receiver", "push"))?.status?.webhookPath ?? "";
    const { endpoint, certificateAuthority } = first.sluice;
    const headers = { "x-github-event": "push", "x-hub-signature-256": `sha256=${"0".repeat(64)}` };
    expect(await post(`${endpoint}${path}`, certificateAuthority, headers, "{}")).toBe(400);
  });

  it("KS-005, KS-142: an annotation is answered and a manual edit taken back soon, by the API server's own calls", async () => {
    const requestedAt = await first.reconcile("Kustomization", "app");
    await first.until("Kustomization", "app", ({ status }) => status?.lastHandledReconcileAt === requestedAt, soon);
    await first.patch("ConfigMap", "config", { data: { colour: "red" } });
    await first.until("ConfigMap", "config", isColour("green"), soon);
  });

  it("SN-010: a source without credentials is asked for as the role of sources, which STS gives the source function", async () => {
    const url = `oci://${aws.account}.dkr.ecr.${aws.region}.amazonaws.com/${images}`;
    const spec = { url, provider: "aws", interval: "1h" };
    const metadata = { name: "apps", namespace: first.namespace };
    await first.create({ apiVersion: "source.toolkit.fluxcd.io/v1", kind: "OCIRepository", metadata, spec } as never);
    // Without the role it would be `failed to get access token`; ECR itself is not here.
    const { status } = await first.until(
      "OCIRepository",
      "apps",
      (object) => (conditionOf(object.status, "Ready")?.message ?? "").includes("failed to"),
      patience,
    );
    expect(conditionOf(status, "Ready")?.message).toContain("failed to create artifact registry credentials");
  });

  it("SB-008: a push that AWS tells of reaches the function that finds its sources in every cluster", async () => {
    const detail = { "action-type": "PUSH", result: "SUCCESS", "repository-name": images, "image-tag": "1.0.0" };
    const entry = { Source: "aws.ecr", DetailType: "ECR Image Action", Detail: JSON.stringify(detail) };
    const other = { ...entry, Detail: JSON.stringify({ ...detail, "repository-name": "team/others" }) };
    await callAws(aws, "events", { target: "AWSEvents.PutEvents", body: { Entries: [entry, other] } });
    const told = async () => {
      const names = (await readdir(aws.functionLogs)).filter((name) => name.startsWith("sluice-pushes"));
      const logs = await Promise.all(names.map((name) => readFile(join(aws.functionLogs, name), "utf8")));
      return logs.flatMap((log) => log.split("\n").filter((line) => line.includes("a push was told")));
    };
    await expect.poll(async () => (await told()).length, { timeout: 30_000, interval: 300 }).toBeGreaterThan(0);
    const [line = "{}", ...more] = await told();
    expect(more).toEqual([]);
    expect(JSON.parse(line.slice(line.indexOf("{")))).toMatchObject({ type: "image", repository: images, sources: 1 });
  });

  it("a second cluster is worked for by the same deployment, and the first is none of its business", async () => {
    const before = await first.find("ConfigMap", "config");
    await second.gitRepository("source", repository.url);
    await second.kustomization("app", { path: "./app" });
    await second.until("ConfigMap", "config", isColour("green"), patience);
    await second.untilReady("Kustomization", "app", patience);
    expect(await first.find("ConfigMap", "config")).toEqual(before);
    expect(await first.client.request({ method: "GET", path: "/api/v1/namespaces" })).not.toMatchObject({
      items: expect.arrayContaining([{ metadata: { name: second.namespace } }]),
    });
  });

  it("a poisoned message ends in the dead-letter queue, and nothing else is disturbed", async () => {
    const sqs = new SQSClient({});
    const { SourceQueueUrl: QueueUrl, SourceQueueDeadLettersUrl: deadLetters = "" } = sluice.outputs;
    // The deployment waits for six timeouts of the function before it delivers again.
    await sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { VisibilityTimeout: "3" } }));
    // Pollers that wait in the queue already do so by the old value.
    await sleep(3_000);
    const poison = { MessageBody: "{}", MessageGroupId: "poison", MessageDeduplicationId: "poison" };
    await sqs.send(new SendMessageCommand({ QueueUrl, ...poison }));
    await repository.commit({ "app/config.yaml": configMap("config", { colour: "yellow" }) });
    expect(await call()).toBe(200);
    await first.until("ConfigMap", "config", isColour("yellow"), patience);
    const found: string[] = [];
    await expect
      .poll(async () => found.push(...(await drain(deadLetters))), { timeout: 40_000, interval: 500 })
      .toBeGreaterThan(0);
    expect(found).toEqual(["{}"]);
  });

  it("with webhooks off, the minute schedule repairs drift", { timeout: 200_000 }, async () => {
    const path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
    await first.client.request({ method: "DELETE", path });
    // The API server learns of it by a watch.
    await sleep(3_000);
    await first.patch("ConfigMap", "config", { data: { colour: "red" } });
    await first.until("ConfigMap", "config", isColour("yellow"), 150);
  });
});
