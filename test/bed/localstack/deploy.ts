import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import {
  CloudFormationClient,
  CreateStackCommand,
  DescribeStackEventsCommand,
  DescribeStacksCommand,
  type Stack,
  UpdateStackCommand,
} from "@aws-sdk/client-cloudformation";
import { CreateBucketCommand, HeadObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import type { BedAws } from "../parts.ts";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../../..");

/** What the CDK calls its bootstrap stack's qualifier, where nobody has chosen another. */
const qualifier = "hnb659fds";

/** Patience for one stack, in milliseconds. */
const patience = 180_000;

/** Outputs of a deployed stack by their names. */
export type StackOutputs = Record<string, string>;

/**
 * Synthesizes the CDK app `infra/` into `directory`, as `cdk synth` does, with this context besides that of cdk.json: keys of
 * `infra/config.ts`. Rejects with what the app has written.
 */
export async function synthesize(aws: BedAws, directory: string, context: Record<string, unknown>): Promise<void> {
  const settings: { context: Record<string, unknown> } = JSON.parse(await readFile(join(root, "cdk.json"), "utf8"));
  const env = {
    ...process.env,
    CDK_OUTDIR: directory,
    CDK_CONTEXT_JSON: JSON.stringify({ ...settings.context, localstack: true, ...context }),
    CDK_DEFAULT_ACCOUNT: aws.account,
    CDK_DEFAULT_REGION: aws.region,
  };
  await run(process.execPath, [join(root, "infra", "app.ts")], { cwd: root, env, maxBuffer: 16 * 1024 * 1024 });
}

/**
 * Deploys a synthesized cloud assembly to LocalStack, as `cdk deploy` does: assets into the bootstrap bucket, then each stack,
 * in the assembly's order, created or updated by CloudFormation. Resolves with the outputs of the stacks by stack name; rejects
 * with the reasons of the resources that failed.
 */
export async function deployAssembly(aws: BedAws, directory: string): Promise<Record<string, StackOutputs>> {
  const bucket = await bootstrap(aws);
  const outputs: Record<string, StackOutputs> = {};
  for (const { stackName, assets } of await readAssembly(directory)) {
    const manifest: AssetManifest = JSON.parse(await readFile(join(directory, assets), "utf8"));
    let template: string | undefined;
    for (const file of Object.values(manifest.files)) {
      const key = await upload(aws, directory, file);
      if (file.source.path.endsWith(".template.json")) template = key;
    }
    if (template === undefined) throw new Error(`the assembly has no template of the stack ${stackName}`);
    outputs[stackName] = await deployStack(aws, stackName, { TemplateURL: `${aws.endpoint}/${bucket}/${template}` });
  }
  return outputs;
}

type AssetManifest = { files: Record<string, FileAsset> };
type FileAsset = {
  source: { path: string; packaging: "file" | "zip" };
  destinations: Record<string, { bucketName: string; objectKey: string }>;
};

/** The stacks of an assembly with their asset manifests, those that others depend on first, as the CDK writes them. */
async function readAssembly(directory: string): Promise<{ stackName: string; assets: string }[]> {
  type Artifact = { type: string; properties?: { stackName?: string }; dependencies?: string[] };
  const manifest: { artifacts: Record<string, Artifact> } = JSON.parse(
    await readFile(join(directory, "manifest.json"), "utf8"),
  );
  return Object.entries(manifest.artifacts)
    .filter(([, { type }]) => type === "aws:cloudformation:stack")
    .map(([id, { properties }]) => ({ stackName: properties?.stackName ?? id, assets: `${id}.assets.json` }));
}

/** How an AWS SDK client reaches LocalStack. */
export function clientConfig(aws: Pick<BedAws, "endpoint" | "region">) {
  return {
    endpoint: aws.endpoint,
    region: aws.region,
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
  };
}

/** What `cdk bootstrap` makes, as far as a deployment here needs it: a bucket for assets, and the version that stacks ask for. */
async function bootstrap(aws: BedAws): Promise<string> {
  const bucket = `cdk-${qualifier}-assets-${aws.account}-${aws.region}`;
  const config = clientConfig(aws);
  // In the home region, creating a bucket that is one's own already is not an error.
  await new S3Client(config).send(new CreateBucketCommand({ Bucket: bucket }));
  const version = {
    Name: `/cdk-bootstrap/${qualifier}/version`,
    Value: "31",
    Type: "String",
    Overwrite: true,
  } as const;
  await new SSMClient(config).send(new PutParameterCommand(version));
  return bucket;
}

async function upload(aws: BedAws, directory: string, asset: FileAsset): Promise<string> {
  const [destination] = Object.values(asset.destinations);
  if (destination === undefined) throw new Error(`the asset ${asset.source.path} has no destination`);
  const resolved = (text: string) =>
    text
      .replaceAll(`\${AWS::AccountId}`, aws.account)
      .replaceAll(`\${AWS::Region}`, aws.region)
      .replaceAll(`\${AWS::Partition}`, "aws");
  const object = { Bucket: resolved(destination.bucketName), Key: resolved(destination.objectKey) };
  const s3 = new S3Client(clientConfig(aws));
  const present = await s3.send(new HeadObjectCommand(object)).then(
    () => true,
    () => false,
  );
  // Keys are digests of the content; a template's may be its name alone.
  if (present && asset.source.packaging === "zip") return object.Key;
  const path = join(directory, asset.source.path);
  const Body = asset.source.packaging === "zip" ? await zip(path) : await readFile(path);
  await s3.send(new PutObjectCommand({ ...object, Body }));
  return object.Key;
}

/** Python is there, since LocalStack runs on it. */
async function zip(directory: string): Promise<Buffer> {
  const script = [
    "import io, os, sys, zipfile",
    "out = io.BytesIO()",
    "with zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED, compresslevel=1) as archive:",
    "    for folder, _, names in os.walk('.'):",
    "        for name in names:",
    "            archive.write(os.path.join(folder, name))",
    "sys.stdout.buffer.write(out.getvalue())",
  ].join("\n");
  const { stdout } = await run("python3", ["-c", script], {
    cwd: directory,
    encoding: "buffer",
    maxBuffer: 256 * 1024 * 1024,
  });
  return stdout;
}

/** Creates or updates one stack. Resolves with its outputs; rejects with the reasons of the resources that failed. */
export async function deployStack(
  aws: BedAws,
  name: string,
  template: { TemplateURL: string } | { TemplateBody: string },
): Promise<StackOutputs> {
  const client = new CloudFormationClient(clientConfig(aws));
  const known = await describe(client, name);
  const input = {
    StackName: name,
    ...template,
    Capabilities: ["CAPABILITY_IAM" as const, "CAPABILITY_NAMED_IAM" as const, "CAPABILITY_AUTO_EXPAND" as const],
  };
  try {
    await client.send(known === undefined ? new CreateStackCommand(input) : new UpdateStackCommand(input));
  } catch (error) {
    if (!(error instanceof Error && error.message.includes("No updates are to be performed"))) throw error;
  }
  for (const deadline = Date.now() + patience; Date.now() < deadline; await wait(100)) {
    const stack = await describe(client, name);
    const status = stack?.StackStatus ?? "";
    if (status === "CREATE_COMPLETE" || status === "UPDATE_COMPLETE") {
      return Object.fromEntries(
        (stack?.Outputs ?? []).map(({ OutputKey = "", OutputValue = "" }) => [OutputKey, OutputValue]),
      );
    }
    if (/_COMPLETE$|FAILED$/.test(status)) {
      const reason = stack?.StackStatusReason ?? "";
      throw new Error(`the stack ${name} ended as ${status}: ${reason}\n${await failures(client, name)}`);
    }
  }
  throw new Error(`the stack ${name} was not done after ${patience / 1000} s`);
}

async function describe(client: CloudFormationClient, name: string): Promise<Stack | undefined> {
  try {
    return (await client.send(new DescribeStacksCommand({ StackName: name }))).Stacks?.[0];
  } catch (error) {
    if (error instanceof Error && error.message.includes("does not exist")) return undefined;
    throw error;
  }
}

async function failures(client: CloudFormationClient, name: string): Promise<string> {
  const { StackEvents = [] } = await client.send(new DescribeStackEventsCommand({ StackName: name }));
  return StackEvents.filter(({ ResourceStatus }) => ResourceStatus?.endsWith("FAILED"))
    .map(({ LogicalResourceId, ResourceStatusReason }) => `${LogicalResourceId}: ${ResourceStatusReason}`)
    .join("\n");
}
