import { GetSecretValueCommand, PutSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { GetQueueAttributesCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { drain, startEventSource } from "../../../test/bed/localstack/event-source.ts";
import { type AwsResources, createAwsResources } from "../../../test/bed/localstack/resources.ts";
import type { Platform, QueueMessage } from "../ports.ts";
import { formatDelayedMessage, parseDelayedMessage } from "./delayed-message.ts";
import { createAwsPlatform } from "./platform.ts";
import type { QueueEvent } from "./queue-event.ts";
import { releaseDue } from "./timers.ts";

let resources: AwsResources;
let platform: Platform;
let now: number;

beforeAll(async () => {
  resources = await createAwsResources([]);
  vi.stubEnv("POWERTOOLS_LOG_LEVEL", "SILENT");
  platform = createAwsPlatform(resources.env, { clock: { now: () => new Date(now) } });
});

afterAll(() => {
  vi.unstubAllEnvs();
});

const message = (text: string): QueueMessage => ({ body: text, group: `group-${text}`, deduplication: text });

async function waiting(url: string): Promise<{ visible: number; delayed: number }> {
  const { Attributes } = await new SQSClient({}).send(
    new GetQueueAttributesCommand({
      QueueUrl: url,
      AttributeNames: ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"],
    }),
  );
  return {
    visible: Number(Attributes?.ApproximateNumberOfMessages),
    delayed: Number(Attributes?.ApproximateNumberOfMessagesDelayed),
  };
}

describe("the AWS platform's queues", () => {
  it("SQS: what does not fit into one batch is sent in several, whole and in order", async () => {
    const messages = Array.from({ length: 23 }, (_, index) => ({
      body: `${String(index).padStart(2, "0")} ${"x".repeat(60_000)}`,
      group: "one",
      deduplication: String(index),
    }));
    await platform.queue.send("apply", messages);
    const bodies: string[] = [];
    const source = startEventSource(
      resources.queues.apply.url,
      async (event) => {
        bodies.push(...event.Records.map(({ body }) => body));
        return { batchItemFailures: [] };
      },
      { concurrency: 3 },
    );
    await expect.poll(() => bodies.length, { timeout: 20_000 }).toBe(23);
    await source.stop();
    expect(bodies).toEqual(messages.map(({ body }) => body));
  });

  it("SQS: a message that a queue refuses is an error that says which queue and why", async () => {
    await expect(platform.queue.send("notification", [message("fine"), message("\u0000")])).rejects.toThrow(
      /^1 of 2 messages were not accepted by http.*notification: InvalidMessageContents/,
    );
    expect(await drain(resources.queues.notification.url)).toEqual(["fine"]);
  });

  it("a variable that is not set is named when it is used", async () => {
    const bare = createAwsPlatform({});
    await expect(bare.queue.send("source", [message("a")])).rejects.toThrow(
      "the environment variable SLUICE_QUEUE_SOURCE is not set",
    );
    await expect(bare.records.get("a")).rejects.toThrow("the environment variable SLUICE_BUCKET is not set");
  });
});

describe("the timers of the AWS platform", () => {
  const eventOf = (...bodies: string[]): QueueEvent => ({
    Records: bodies.map((body, index) => ({
      messageId: `m${index}`,
      body,
      attributes: { ApproximateReceiveCount: "1" },
    })),
  });

  it("SQS: a delay beyond 15 minutes is delayed again until it is due, and then sent", async () => {
    now = Date.parse("2026-11-24T10:00:00Z");
    const body = formatDelayedMessage({ queue: "source", message: message("late"), dueAt: now + 2_000_500 });
    for (const seconds of [900, 1_800]) {
      now = Date.parse("2026-11-24T10:00:00Z") + seconds * 1000;
      const before = await waiting(resources.queues.delay.url);
      expect(await releaseDue(eventOf(body), platform)).toEqual({ batchItemFailures: [] });
      expect((await waiting(resources.queues.delay.url)).delayed).toBe(before.delayed + 1);
      expect((await waiting(resources.queues.source.url)).visible).toBe(0);
    }
    now = Date.parse("2026-11-24T10:00:00Z") + 2_000_000;
    await releaseDue(eventOf(body), platform);
    expect(await drain(resources.queues.source.url)).toEqual(["late"]);
  });

  it("what is not due goes back as it came: the time it is due does not move", async () => {
    now = 1_000_000;
    await platform.queue.sendLater("source", message("kept"), 3.2);
    const bodies: string[] = [];
    const keep = startEventSource(
      resources.queues.delay.url,
      async (event) => {
        for (const { body } of event.Records) if (body.includes("kept")) bodies.push(body);
        return { batchItemFailures: [] };
      },
      { concurrency: 1 },
    );
    await expect.poll(() => bodies.length, { timeout: 10_000 }).toBe(1);
    expect(parseDelayedMessage(bodies[0] ?? "").dueAt).toBe(1_003_200);
    now = 1_001_100;
    await releaseDue(eventOf(bodies[0] ?? ""), platform);
    await expect.poll(() => bodies.length, { timeout: 10_000 }).toBe(2);
    await keep.stop();
    expect(parseDelayedMessage(bodies[1] ?? "")).toEqual(parseDelayedMessage(bodies[0] ?? ""));
  });

  it("a poisoned message ends in the dead-letter queue and holds up no other", async () => {
    now = Date.now();
    const sqs = new SQSClient({});
    const poison = '{"queue":"nowhere"}';
    await sqs.send(new SendMessageCommand({ QueueUrl: resources.queues.delay.url, MessageBody: poison }));
    const due = formatDelayedMessage({ queue: "source", message: message("beside"), dueAt: now });
    expect(await releaseDue(eventOf(poison, due), platform)).toEqual({ batchItemFailures: [{ itemIdentifier: "m0" }] });
    expect(await drain(resources.queues.source.url)).toEqual(["beside"]);
    const timers = startEventSource(resources.queues.delay.url, (event) => releaseDue(event, platform), {
      concurrency: 1,
    });
    await expect
      .poll(() => waiting(resources.queues.delay.deadLettersUrl), { timeout: 30_000, interval: 500 })
      .toMatchObject({ visible: 1 });
    await timers.stop();
    expect(await drain(resources.queues.delay.deadLettersUrl)).toEqual([poison]);
  });
});

describe("the AWS platform's records and secrets", () => {
  it("a record that returns to an earlier value has a version of its own, so that a slow writer is not misled", async () => {
    const { records } = platform;
    const first = await records.put("aba", ["waiter"], "absent");
    await records.remove("aba", { version: first });
    const second = await records.put("aba", ["waiter"], "absent");
    expect(second).not.toBe(first);
    await expect(records.remove("aba", { version: first })).rejects.toThrow("record aba was changed by another writer");
    expect((await records.get("aba"))?.value).toEqual(["waiter"]);
  });

  it("of many that update and remove one version at once, one does", async () => {
    const { records } = platform;
    for (let round = 0; round < 10; round++) {
      const version = await records.put(`race-${round}`, 0, "absent");
      const writers = [1, 2, 3, 4].map((value) => records.put(`race-${round}`, value, { version }));
      const removal = records.remove(`race-${round}`, { version });
      const results = await Promise.allSettled<unknown>([...writers, removal]);
      const winner = results.findIndex(({ status }) => status === "fulfilled");
      expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      expect((await records.get(`race-${round}`))?.value).toBe(winner === 4 ? undefined : winner + 1);
    }
  });

  it("a secret is read once in 15 seconds, and a rotated one is seen after them", async () => {
    now = Date.now();
    await resources.putSecret("admission-seed", "old");
    expect(await platform.secrets.read("admission-seed")).toBe("old");
    const client = new SecretsManagerClient({});
    const SecretId = `${resources.env.SLUICE_SECRET_PREFIX}admission-seed`;
    await client.send(new PutSecretValueCommand({ SecretId, SecretString: "new" }));
    expect((await client.send(new GetSecretValueCommand({ SecretId }))).SecretString).toBe("new");
    now += 14_000;
    expect(await platform.secrets.read("admission-seed")).toBe("old");
    now += 2_000;
    expect(await platform.secrets.read("admission-seed")).toBe("new");
  });
});
