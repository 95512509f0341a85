import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { CreateBucketCommand, DeleteObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { SendMessageBatchCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { bedPart, uniqueName } from "../bed.ts";
import type { BedAws } from "../parts.ts";
import { deployStack, type StackOutputs } from "./deploy.ts";
import { pythonWithLocalStack } from "./environment.ts";
import { drain } from "./event-source.ts";
import { type FunctionFront, startFunctionFront } from "./front.ts";
import { startLocalStack } from "./localstack.ts";

/** Does what its message says, and tells what it sees. Log lines are what the tests read. */
const handler = `
const fs = require("node:fs");
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
exports.handler = async (event, context) => {
  if (event.Records === undefined) {
    const { body } = event;
    if (body === "exit") process.exit(3);
    if (body === "hang") await sleep(60000);
    if (body === "throw") throw new TypeError("as it was told");
    fs.writeFileSync("/tmp/mark", "");
    const seen = { task: process.cwd(), tmp: fs.readdirSync("/tmp"), pid: process.pid, variable: process.env.GREETING };
    return { statusCode: 201, headers: { "x-seen": "yes" }, body: JSON.stringify({ ...seen, remaining: context.getRemainingTimeInMillis() }) };
  }
  const [record] = event.Records;
  const { group, text } = JSON.parse(record.body);
  console.log("begin", group, text, record.attributes.ApproximateReceiveCount, Date.now());
  if (text === "poison") return { batchItemFailures: [{ itemIdentifier: record.messageId }] };
  await sleep(group === "a" ? 1000 : 300);
  console.log("end", group, text, record.attributes.ApproximateReceiveCount, Date.now());
  return { batchItemFailures: [] };
};
`;

const getAtt = (name: string, attribute: string) => ({ "Fn::GetAtt": [name, attribute] });
const role = {
  Type: "AWS::IAM::Role",
  Properties: {
    AssumeRolePolicyDocument: {
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" }],
    },
  },
};
const template = (greeting: string) => ({
  Resources: {
    Role: role,
    DeadLetters: { Type: "AWS::SQS::Queue", Properties: { FifoQueue: true } },
    Queue: {
      Type: "AWS::SQS::Queue",
      Properties: {
        FifoQueue: true,
        VisibilityTimeout: 2,
        RedrivePolicy: { deadLetterTargetArn: getAtt("DeadLetters", "Arn"), maxReceiveCount: 2 },
      },
    },
    Function: {
      Type: "AWS::Lambda::Function",
      Properties: {
        Runtime: "nodejs24.x",
        Handler: "index.handler",
        Role: getAtt("Role", "Arn"),
        Timeout: 2,
        Environment: { Variables: { GREETING: greeting } },
        Code: { ZipFile: handler },
      },
    },
    Mapping: {
      Type: "AWS::Lambda::EventSourceMapping",
      Properties: {
        FunctionName: { Ref: "Function" },
        EventSourceArn: getAtt("Queue", "Arn"),
        BatchSize: 1,
        ScalingConfig: { MaximumConcurrency: 3 },
        FunctionResponseTypes: ["ReportBatchItemFailures"],
      },
    },
    Url: { Type: "AWS::Lambda::Url", Properties: { AuthType: "NONE", TargetFunctionArn: getAtt("Function", "Arn") } },
  },
  Outputs: {
    Url: { Value: getAtt("Url", "FunctionUrl") },
    Queue: { Value: { Ref: "Queue" } },
    DeadLetters: { Value: { Ref: "DeadLetters" } },
    Function: { Value: { Ref: "Function" } },
  },
});

describe("AWS on this machine", () => {
  const stack = uniqueName("bed");
  let aws: BedAws;
  let outputs: StackOutputs;
  let front: FunctionFront;

  beforeAll(async () => {
    aws = await bedPart("localstack");
    for (const [name, value] of Object.entries(aws.env)) vi.stubEnv(name, value);
    outputs = await deployStack(aws, stack, { TemplateBody: JSON.stringify(template("hello")) });
    front = await startFunctionFront(aws, outputs.Url ?? "");
  });
  afterAll(async () => {
    await front?.stop();
    vi.unstubAllEnvs();
  });

  function post(body: string, to = front): Promise<{ status: number; headers: unknown; body: string }> {
    const headers = { "content-type": "text/plain" };
    const options = { method: "POST", ca: to.certificateAuthority, agent: false, headers } as const;
    return new Promise((resolve, reject) => {
      const asking = request(to.url, options, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => {
          text += chunk;
        });
        response.once("end", () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
        );
      });
      asking.once("error", reject);
      asking.end(body);
    });
  }

  async function log(): Promise<string[]> {
    const names = (await readdir(aws.functionLogs)).filter((name) => name.startsWith(outputs.Function ?? "?"));
    const logs = await Promise.all(names.map((name) => readFile(join(aws.functionLogs, name), "utf8")));
    return logs.join("\n").split("\n");
  }

  it("test bed: a function is called through its URL over HTTPS, alone in /var/task with a /tmp of its own", async () => {
    const { status, headers, body } = await post("");
    expect([status, headers]).toEqual([201, expect.objectContaining({ "x-seen": "yes" })]);
    const seen = JSON.parse(body);
    expect(seen).toMatchObject({ task: "/var/task", tmp: ["mark"], variable: "hello" });
    expect(seen.remaining).toBeGreaterThan(1_000);
    expect(seen.remaining).toBeLessThanOrEqual(2_000);
    expect(JSON.parse((await post("")).body).pid).toBe(seen.pid);
  });

  it("test bed: what throws, exits or takes too long is an error of that invocation alone", async () => {
    for (const body of ["throw", "exit", "hang"]) expect((await post(body)).status, body).toBe(502);
    expect((await post("")).status).toBe(201);
    const lines = (await log()).join("\n");
    expect(lines).toContain("TypeError: as it was told");
    expect(lines).toContain("exit status 3");
    expect(lines).toContain("Task timed out after 2.00 seconds");
  });

  it("test bed: groups of a queue run side by side, each in order, and a poisoned message leaves for the dead letters", async () => {
    const sqs = new SQSClient({});
    const bodies = ["a 1", "a 2", "b 1", "b 2", "c poison", "c 2"].map((entry) => entry.split(" "));
    await sqs.send(
      new SendMessageBatchCommand({
        QueueUrl: outputs.Queue,
        Entries: bodies.map(([group = "", text = ""], index) => ({
          Id: String(index),
          MessageBody: JSON.stringify({ group, text }),
          MessageGroupId: group,
          MessageDeduplicationId: `${group}-${text}`,
        })),
      }),
    );
    const spans = async () =>
      (await log()).flatMap((line) => {
        const found = /(begin|end) (\w) (\w+) (\d) (\d+)$/.exec(line);
        return found ? [{ what: found[1], name: `${found[2]} ${found[3]} ${found[4]}`, at: Number(found[5]) }] : [];
      });
    const ended = async () => (await spans()).filter(({ what }) => what === "end");
    for (const deadline = Date.now() + 40_000; (await ended()).length < 5 && Date.now() < deadline; ) await wait(100);
    const order = (await spans()).sort((a, b) => a.at - b.at);
    const at = (what: string, name: string) => order.find((span) => span.what === what && span.name === name)?.at ?? 0;
    expect((await ended()).map(({ name }) => name).sort()).toEqual(["a 1 1", "a 2 1", "b 1 1", "b 2 1", "c 2 1"]);
    expect(at("begin", "a 2 1")).toBeGreaterThanOrEqual(at("end", "a 1 1"));
    expect(at("begin", "b 1 1")).toBeLessThan(at("end", "a 1 1"));
    expect(at("begin", "c poison 2") - at("begin", "c poison 1")).toBeGreaterThan(1_500);
    expect(at("begin", "c 2 1")).toBeGreaterThan(at("begin", "c poison 2"));
    expect(await drain(outputs.DeadLetters ?? "")).toEqual([JSON.stringify({ group: "c", text: "poison" })]);
  });

  it("test bed: a stack is updated in place, and a resource type that is not known is refused", async () => {
    await deployStack(aws, stack, { TemplateBody: JSON.stringify(template("good day")) });
    expect(JSON.parse((await post("")).body).variable).toBe("good day");
    const unknown = { Resources: { Odd: { Type: "AWS::Nowhere::Thing", Properties: {} } } };
    await expect(deployStack(aws, uniqueName("odd"), { TemplateBody: JSON.stringify(unknown) })).rejects.toThrow(
      /AWS::Nowhere::Thing/,
    );
  });

  it("test bed: an object is deleted on condition, as S3 does it", async () => {
    const s3 = new S3Client({});
    const object = { Bucket: uniqueName("bed"), Key: "a" };
    await s3.send(new CreateBucketCommand({ Bucket: object.Bucket }));
    const first = await s3.send(new PutObjectCommand({ ...object, Body: "1" }));
    const second = await s3.send(new PutObjectCommand({ ...object, Body: "2" }));
    const remove = (IfMatch: string | undefined) => s3.send(new DeleteObjectCommand({ ...object, IfMatch }));
    await expect(remove(first.ETag)).rejects.toThrow(expect.objectContaining({ name: "PreconditionFailed" }));
    await remove(second.ETag);
    await expect(remove(second.ETag)).rejects.toThrow(expect.objectContaining({ name: "NoSuchKey" }));
  });

  it("test bed: a second one runs beside the first, and stopping it ends its functions", async () => {
    const directory = await mkdtemp(join(tmpdir(), "sluice-aws-"));
    const { stop, ...other } = await startLocalStack({ directory });
    const { Url = "" } = await deployStack(other, "other", { TemplateBody: JSON.stringify(template("other")) });
    const beside = await startFunctionFront(other, Url);
    const { pid } = JSON.parse((await post("", beside)).body);
    expect(process.kill(pid, 0)).toBe(true);
    await beside.stop();
    await stop();
    await rm(directory, { recursive: true, force: true, maxRetries: 3 });
    // A process that has ended is there until whoever inherited it has noticed.
    await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow("ESRCH"), { timeout: 20_000 });
    expect((await post("")).status).toBe(201);
  });

  it("test bed: one that does not start says why", async () => {
    const directory = await mkdtemp(join(tmpdir(), "sluice-aws-"));
    const python = await pythonWithLocalStack(() => undefined);
    const broken = join(
      directory,
      "cache",
      "sluice",
      "localstack",
      dirname(dirname(dirname(python)))
        .split("/")
        .pop() ?? "",
    );
    await mkdir(join(broken, "venv", "bin"), { recursive: true });
    await writeFile(join(broken, "venv", "bin", "python"), "#!/bin/sh\necho no module named localstack\nexit 1\n", {
      mode: 0o755,
    });
    vi.stubEnv("XDG_CACHE_HOME", join(directory, "cache"));
    await expect(startLocalStack({ directory })).rejects.toThrow(
      "LocalStack does not answer:\nno module named localstack",
    );
    await rm(directory, { recursive: true, force: true });
  });
});
