import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { admissionToken, admissionWork, parseAdmissionReview } from "../engine/admission.ts";
import { formatWorkItem, parseWorkItem } from "../engine/work-item.ts";
import { parseMessage } from "../notify/message.ts";
import { verifyRequest } from "../notify/receivers/receiver-types.ts";
import { webhookPath } from "../notify/webhook-path.ts";
import { parseDelayedMessage } from "../platform/aws/delayed-message.ts";
import { type FunctionUrlEvent, requestOf } from "../platform/aws/function-url.ts";
import type { QueueEvent } from "../platform/aws/queue-event.ts";

const root = resolve(import.meta.dirname, "../..");

/** A sample, as the JSON that AWS would hand to the function. Its shape is what these tests are about. */
function sample<T>(name: string): T {
  return JSON.parse(readFileSync(join(root, "events", `${name}.json`), "utf8"));
}

const bodyOf = (name: string): string => sample<QueueEvent>(name).Records[0]?.body ?? "";

async function hookOf(name: string) {
  const request = requestOf(sample<FunctionUrlEvent>(name));
  const path = new URL(request.url).pathname;
  return { path, headers: Object.fromEntries(request.headers), body: Buffer.from(await request.arrayBuffer()) };
}

async function reviewOf(name: string) {
  const { path, body } = await hookOf(name);
  const review = parseAdmissionReview(JSON.parse(body.toString()));
  if (review === undefined) throw new Error(`${name} is no review`);
  return { path, items: admissionWork("default", review) };
}

describe("the sample events", () => {
  it("are one for each trigger", () => {
    const files = readdirSync(join(root, "events")).filter((name) => name !== "sample.env");
    expect(files.sort()).toEqual(
      [
        "admission-drift",
        "admission-kustomization",
        "apply-item",
        "ecr-push",
        "generic-hook",
        "github-push",
        "notification",
        "s3-object",
        "schedule",
        "source-item",
        "timer",
      ].map((name) => `${name}.json`),
    );
  });

  it("github-push: is signed for flux-system/github-receiver whose token is `token`", async () => {
    const request = await hookOf("github-push");
    const token = Buffer.from("token");
    expect(request.path).toBe(webhookPath(token, "github-receiver", "flux-system"));
    expect(() => verifyRequest(request, { type: "github", events: ["push"] }, token)).not.toThrow();
  });

  it("generic-hook: goes to flux-system/generic-receiver whose token is `token`, in Base64", async () => {
    const request = await hookOf("generic-hook");
    expect(request.path).toBe(webhookPath(Buffer.from("token"), "generic-receiver", "flux-system"));
    expect(request.body.toString()).toBe("image=registry.example%2Fapp%3A1.2.3");
  });

  it("admission-*: come from the cluster `default` of a deployment whose seed is `the seed of the sample events`", async () => {
    const [kustomization, drift] = await Promise.all(["admission-kustomization", "admission-drift"].map(reviewOf));
    const path = `/admission/default/${admissionToken("the seed of the sample events", "default")}`;
    expect([kustomization?.path, drift?.path]).toEqual([path, path]);
    expect(kustomization?.items).toMatchObject([{ kind: "Kustomization", name: "web", cause: { type: "admission" } }]);
    expect(drift?.items).toMatchObject([
      { kind: "Kustomization", name: "web", cause: { type: "drift", by: "alice@example.com" } },
    ]);
  });

  it.each(["source-item", "apply-item"])("%s: is a work item in its group", (name) => {
    const [record] = sample<{ Records: { body: string; attributes: Record<string, string> }[] }>(name).Records;
    const item = parseWorkItem(record?.body ?? "");
    const { group, deduplication } = formatWorkItem(item);
    expect(record?.attributes).toMatchObject({ MessageGroupId: group, MessageDeduplicationId: deduplication });
  });

  it("notification, timer and schedule: are what their functions read", () => {
    expect(parseMessage(bodyOf("notification"))).toMatchObject({ cluster: "default", event: { severity: "error" } });
    const { queue, message } = parseDelayedMessage(bodyOf("timer"));
    expect([queue, parseWorkItem(message.body).kind]).toEqual(["apply", "Kustomization"]);
    expect(new Date(sample<{ time: string }>("schedule").time).toISOString()).toBe("2026-01-01T00:00:00.000Z");
  });
});

describe("npm run invoke", () => {
  function invoke(args: string[], variables: Record<string, string> = {}) {
    const { status, stdout, stderr } = spawnSync(process.execPath, ["lib/cli/invoke.ts", ...args], {
      cwd: root,
      encoding: "utf8",
      env: { PATH: process.env.PATH ?? "", AWS_REGION: "eu-west-1", ...variables },
    });
    return { status, stdout, stderr };
  }
  const deployment = { SLUICE_CLUSTERS: "[]", SLUICE_BUCKET: "none" };

  it("runs a function on an event and prints its answer", () => {
    const { status, stdout, stderr } = invoke(["functions/webhook", "events/github-push.json"], deployment);
    expect(stderr).toBe("");
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ statusCode: 404, body: "", isBase64Encoded: true });
  });

  it("takes an answer of nothing as an answer", () => {
    const { status, stdout } = invoke(["functions/schedule", "events/schedule.json"], deployment);
    expect([status, stdout]).toEqual([0, "null\n"]);
  });

  it.each([
    [["functions/nothing", "events/github-push.json"], "functions/nothing is no function"],
    [["lib/cli", "events/github-push.json"], "lib/cli is no function"],
    [["functions/webhook", "events/none.json"], "events/none.json cannot be read"],
    [["functions/webhook", "events/github-push.json", "--env", "none"], "none cannot be read"],
    [["functions/webhook", "lib/cli/invoke.ts"], "lib/cli/invoke.ts is not JSON"],
  ])("says what is wrong with %j", (args, sentence) => {
    const { status, stderr } = invoke(args, deployment);
    expect(status).toBe(2);
    expect(stderr).toContain(`invoke: `);
    expect(stderr).toContain(sentence);
  });

  it("runs with the sample's variables where no deployment is named, and says so; and says how to call it", () => {
    const bare = invoke(["functions/webhook", "events/github-push.json"]);
    expect([bare.status, bare.stderr]).toEqual([0, expect.stringContaining("no deployment is named")]);
    expect(JSON.parse(bare.stdout)).toMatchObject({ statusCode: 404 });
    const nothing = invoke([]);
    expect(nothing.status).not.toBe(0);
    expect(nothing.stdout + nothing.stderr).toContain("functions/NAME");
  });
});
