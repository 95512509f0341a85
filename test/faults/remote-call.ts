import type { Passing } from "./relay.ts";

/** A call of an AWS service or of the API server. */
export type RemoteCall = {
  /** What is done, without what differs from push to push: `S3 GET records/*`, `PATCH /api/v1/configmaps/only`. */
  call: string;
  /** Whether it may change something. */
  changes: boolean;
  /** All that it says, for finding out whose it is. */
  text: string;
};

/** Reads a request to LocalStack: SQS and Secrets Manager name their action in a header, S3 has it in method and path. */
export function awsCall({ method, url, headers, body }: Passing): RemoteCall {
  const [service = "", action] = String(headers["x-amz-target"] ?? "").split(".");
  if (action !== undefined) {
    const text = body.toString();
    const queue = /"QueueUrl":"[^"]*-(\w+?)Queue/.exec(text)?.[1];
    const call = [service === "AmazonSQS" ? "SQS" : service, action, ...(queue === undefined ? [] : [queue])].join(" ");
    return { call, changes: service === "AmazonSQS", text };
  }
  const key = decodeURIComponent(url.pathname).split("/").slice(2).join("/");
  const prefix = url.searchParams.get("prefix") ?? "";
  // Many objects are deleted by a POST whose body names them.
  const named = url.searchParams.has("delete") ? "delete" : general(key + prefix);
  const text = `${url.pathname} ${prefix} ${named === "delete" ? body : ""}`;
  return { call: `S3 ${method} ${named}`, changes: !/GET|HEAD/.test(method), text };
}

/** Reads a request to the API server. */
export function apiServerCall({ method, url, body }: Passing): RemoteCall {
  const dryRun = url.searchParams.has("dryRun");
  const call = `${method} ${general(url.pathname)}${dryRun ? " dry run" : ""}`;
  return { call, changes: method !== "GET" && !dryRun, text: `${url.pathname} ${body.subarray(0, 10_000)}` };
}

/** Namespaces and objects that come and go are told apart by numbers and digests: to the one that counts they are the same. */
function general(path: string): string {
  return path
    .replaceAll(/-[0-9a-f]{10}(?=\/|$)/g, "-*")
    .replaceAll(/[0-9a-f]{16,}/g, "*")
    .replaceAll(/-\d+$/g, "-*");
}
