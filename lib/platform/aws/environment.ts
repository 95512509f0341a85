import type { QueueName } from "../ports.ts";

/** The queue URLs of a deployment by the queue's name. */
const queueVariables: Record<QueueName | "delay", string> = {
  source: "SLUICE_QUEUE_SOURCE",
  apply: "SLUICE_QUEUE_APPLY",
  notification: "SLUICE_QUEUE_NOTIFICATION",
  delay: "SLUICE_QUEUE_DELAY",
};

/** The URL of a queue, as the deployment has set it. */
export function queueUrl(env: NodeJS.ProcessEnv, queue: QueueName | "delay"): string {
  return required(env, queueVariables[queue]);
}

/** A variable that the deployment sets. Asked for when it is used, since no function has more than it needs. */
export function required(env: NodeJS.ProcessEnv, name: string): string {
  const value = env[name];
  if (value === undefined || value === "") throw new Error(`the environment variable ${name} is not set`);
  return value;
}
