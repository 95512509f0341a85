import { setTimeout as sleep } from "node:timers/promises";
import type { BedAws } from "../bed/parts.ts";

/** The part of GetFunctionConfiguration's answer that is read here. */
type Configuration = { Environment?: { Variables?: Record<string, string> }; LastUpdateStatus?: string };

/** Milliseconds until a changed function must be ready. */
const patience = 60_000;

/**
 * Gives a deployed function another address for AWS, `endpoint`, as who administers it could: in its environment, for the SDK
 * and in the URLs of Sluice's queues. Resolves when the next invocation has it.
 */
export async function redirectFunction(aws: BedAws, functionName: string, endpoint: string): Promise<void> {
  const { Environment } = await call(aws, functionName, { method: "GET" });
  const changed = Object.entries(Environment?.Variables ?? {}).map(([key, value]) => [
    key,
    key.startsWith("SLUICE_QUEUE_") ? endpoint + new URL(value).pathname : value,
  ]);
  const Variables = { ...Object.fromEntries(changed), AWS_ENDPOINT_URL: endpoint, AWS_ENDPOINT_URL_SQS: endpoint };
  await call(aws, functionName, { method: "PUT", body: JSON.stringify({ Environment: { Variables } }) });
  for (const giveUp = Date.now() + patience; ; await sleep(100)) {
    const { LastUpdateStatus } = await call(aws, functionName, { method: "GET" });
    if (LastUpdateStatus === "Successful") return;
    if (LastUpdateStatus === "Failed" || Date.now() > giveUp) throw new Error(`${functionName} was not updated`);
  }
}

async function call(aws: BedAws, functionName: string, init: RequestInit): Promise<Configuration> {
  const url = `${aws.endpoint}/2015-03-31/functions/${functionName}/configuration`;
  // LocalStack finds account and region in it, and checks nothing.
  const scope = `Credential=test/20260101/${aws.region}/lambda/aws4_request`;
  const authorization = `AWS4-HMAC-SHA256 ${scope}, SignedHeaders=host, Signature=0`;
  const answer = await fetch(url, { ...init, headers: { authorization, "content-type": "application/json" } });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${functionName}: ${answer.status}: ${text}`);
  return JSON.parse(text);
}
