import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { PutSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import {
  GetQueueAttributesCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { functionNames } from "../../infra/bundle.ts";
import { createCertificateAuthority, issueCertificate } from "../../lib/platform/local/certificate.ts";
import { clientConfig, type StackOutputs } from "../bed/localstack/deploy.ts";
import { deploySluice } from "../bed/localstack/deployment.ts";
import type { BedAws } from "../bed/parts.ts";
import type { RunningSluice } from "../bed/sluice.ts";
import { type ArmedPoints, createArmedPoints } from "./armed-points.ts";
import { redirectFunction } from "./redirected-function.ts";
import { type Gate, startRelay } from "./relay.ts";
import { apiServerCall, awsCall } from "./remote-call.ts";

/** What names of namespaces have to begin with whose calls are to be told apart. */
export const scenePrefix = "scene";

/** Seconds until what a killed function had taken is delivered again: longer than a look takes here. */
const visibilitySeconds = 5;

/** Deliveries until a message is given up on: these functions die more often than any does. */
const deliveries = 20;

/** A message as it was sent. */
export type SentMessage = { queueUrl: string; body: string; group?: string };

/** Sluice deployed, with functions that die where they are told to. */
export type MortalFunctions = RunningSluice &
  Omit<ArmedPoints, "pass"> & {
    /** Messages that were sent since the last `forget`, for work in one namespace. */
    sent(namespace: string): SentMessage[];
    /** From now on each message for work in the namespace is sent a second time at once, as if a queue had forgotten its id. */
    deliverTwice(namespace: string): void;
    /** Sends messages again, in this order, with ids of their own. */
    resend(messages: SentMessage[]): Promise<void>;
    /** Until the queues are empty, and nobody works on what was in them. What is delayed may still be so. */
    untilQuiet(): Promise<void>;
    /** How many messages were given up on. */
    deadLetters(): Promise<number>;
    stop(): Promise<void>;
  };

/**
 * Deploys Sluice for one cluster, and lets its functions reach AWS and the API server through relays alone. Nothing in the
 * product knows of it: the cluster's secret names one relay, the functions' environment the other. A death is SIGKILL for the
 * process whose request came to the point, with all that it has started, as when Lambda loses an environment.
 */
export async function deployMortalFunctions(
  aws: BedAws,
  options: { directory: string; log: (line: string) => void },
): Promise<MortalFunctions> {
  const name = "faults";
  const deployed = await deploySluice(aws, { ...options, name, clusters: 1 });
  const stops = [deployed.stop];
  const stop = async () => {
    for (const each of stops.toReversed()) await each();
  };
  try {
    const [sluice] = deployed.clusters;
    if (sluice === undefined) throw new Error("the deployment has no cluster");
    const points = createArmedPoints(namespaceOf);
    const queues = createQueues(aws, deployed.outputs);
    const awsRelay = await startRelay({ target: aws.endpoint, gate: awsGate(points, queues) });
    stops.push(awsRelay.stop);
    const { url, certificateAuthority: ca, kubeconfig } = sluice.cluster;
    const authority = createCertificateAuthority("relay");
    const apiServerRelay = await startRelay({
      target: url,
      ca,
      tls: issueCertificate(authority, { names: ["127.0.0.1"] }),
      gate: (passing, when, port) => points.pass(apiServerCall(passing), passing, when, port),
    });
    stops.push(apiServerRelay.stop);
    const SecretString = kubeconfig
      .replaceAll(url, apiServerRelay.url)
      .replaceAll(base64(ca), base64(authority.certificate));
    const secrets = new SecretsManagerClient(clientConfig(aws));
    await secrets.send(new PutSecretValueCommand({ SecretId: `${name}-cluster-1`, SecretString }));
    for (const each of functionNames) await redirectFunction(aws, `${name}-${each}`, awsRelay.url);
    await queues.hasten();
    const { arm, disarm, seen } = points;
    const forget = () => {
      points.forget();
      queues.forget();
    };
    const { sent, deliverTwice, resend, untilQuiet, deadLetters } = queues;
    return { ...sluice, arm, disarm, seen, forget, sent, deliverTwice, resend, untilQuiet, deadLetters, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function namespaceOf(text: string): string | undefined {
  return new RegExp(`\\b${scenePrefix}-[0-9a-f]{10}\\b`).exec(text)?.[0];
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

function awsGate(points: ArmedPoints, queues: { wasSent(request: string): void }): Gate {
  return (passing, when, port) => {
    const call = awsCall(passing);
    // It was sent even if whoever sent it does not live to know.
    if (when === "after" && call.call.startsWith("SQS SendMessageBatch ")) queues.wasSent(call.text);
    return points.pass(call, passing, when, port);
  };
}

/** The deployment's queues, past the relay. */
function createQueues(aws: BedAws, outputs: StackOutputs) {
  const sqs = new SQSClient(clientConfig(aws));
  const urls = (name: RegExp) => Object.entries(outputs).flatMap(([output, url]) => (name.test(output) ? [url] : []));
  const all = urls(/QueueUrl$/);
  let sent: SentMessage[] = [];
  let twice: string | undefined;

  const attributes = async (queueUrl: string): Promise<Partial<Record<string, string>>> => {
    const asking = new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: ["All"] });
    return (await sqs.send(asking)).Attributes ?? {};
  };
  /** Messages that wait, and those that somebody works on. */
  const count = async (queueUrls: string[]): Promise<number> => {
    const numbers = (await Promise.all(queueUrls.map(attributes))).flatMap((found) => [
      Number(found.ApproximateNumberOfMessages),
      Number(found.ApproximateNumberOfMessagesNotVisible),
    ]);
    return numbers.reduce((sum, number) => sum + number, 0);
  };
  const resend = async (messages: SentMessage[]): Promise<void> => {
    for (const { queueUrl, body, group } of messages) {
      const fifo = group === undefined ? {} : { MessageGroupId: group, MessageDeduplicationId: randomUUID() };
      await sqs.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: body, ...fifo }));
    }
  };
  return {
    resend,
    sent: (namespace: string) => sent.filter(({ body }) => namespaceOf(body) === namespace),
    forget: () => {
      sent = [];
    },
    deliverTwice: (namespace: string) => {
      twice = namespace;
    },
    wasSent: (request: string) => {
      const batch: { QueueUrl: string; Entries: { MessageBody: string; MessageGroupId?: string }[] } =
        JSON.parse(request);
      const queueUrl = aws.endpoint + new URL(batch.QueueUrl).pathname;
      const messages = batch.Entries.map(({ MessageBody: body, MessageGroupId: group }) =>
        group === undefined ? { queueUrl, body } : { queueUrl, body, group },
      );
      sent.push(...messages);
      const again = messages.filter(({ body }) => twice !== undefined && namespaceOf(body) === twice);
      resend(again).catch((error: unknown) => console.warn("a message was not sent twice", error));
    },
    hasten: async () => {
      for (const QueueUrl of all) {
        const policy: { deadLetterTargetArn: string } = JSON.parse((await attributes(QueueUrl)).RedrivePolicy ?? "");
        const Attributes = {
          RedrivePolicy: JSON.stringify({ ...policy, maxReceiveCount: deliveries }),
          VisibilityTimeout: String(visibilitySeconds),
        };
        await sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes }));
      }
    },
    untilQuiet: async () => {
      for (const giveUp = Date.now() + 60_000; (await count(all)) > 0; await sleep(200)) {
        if (Date.now() < giveUp) continue;
        const counts = await Promise.all(all.map(async (url) => `${url.split("/").pop()}: ${await count([url])}`));
        throw new Error(`the queues are not empty after 60 s: ${counts.join(", ")}`);
      }
    },
    deadLetters: () => count(urls(/DeadLettersUrl$/)),
  };
}
