import { KubectlV36Layer } from "@aws-cdk/lambda-layer-kubectl-v36";
import { type App, CfnOutput, Stack } from "aws-cdk-lib";
import { createAlarms } from "./alarms.ts";
import type { Bundle, FunctionName } from "./bundle.ts";
import { admitFunctions } from "./cluster-access.ts";
import type { Config } from "./config.ts";
import { createDashboard } from "./dashboard.ts";
import { createFront, createFunction, type Deployed, functionName } from "./functions.ts";
import { environmentOf, explainWildcards, needs, statementsOf, type World } from "./grants.ts";
import { attachToNetwork, networkStatements } from "./network.ts";
import { createQueues, queueNames } from "./queues.ts";
import { createSourcesRole, sourcesRoleArn } from "./sources-role.ts";
import { createAdmissionSeed, createBucket } from "./storage.ts";
import { connectQueues, startEachMinute, startOnPushes } from "./triggers.ts";

/** The account and region to deploy to, as the CDK command line finds them in the AWS profile. */
export type Home = { account?: string; region?: string };

/** One deployment of Sluice: the stack that does the work and, for EKS clusters of other regions, stacks that let it in. */
export function createDeployment(app: App, config: Config, bundles: Record<FunctionName, Bundle>, home: Home): Stack {
  const region = config.region ?? home.region;
  const stack = new Stack(app, config.name, {
    description: "Sluice: GitOps for Kubernetes with nothing running between two changes",
    env: {
      ...(home.account === undefined ? {} : { account: home.account }),
      ...(region === undefined ? {} : { region }),
    },
  });
  const secretPrefix = `${config.name}/`;
  const world: World = {
    stack,
    bucket: createBucket(stack),
    queues: createQueues(stack, config),
    admissionSeed: createAdmissionSeed(stack, secretPrefix),
    secretPrefix,
    clusters: config.clusters,
    remoteClusters: config.remoteClusters,
    decryption: config.decryption,
    sourcesRole: sourcesRoleArn(stack, config),
  };

  const create = (name: FunctionName, given: { endpoint?: string; renderer?: KubectlV36Layer } = {}): Deployed => {
    const network = needs[name].clusters ? config.network : undefined;
    const deployed = createFunction(stack, config, name, {
      bundle: bundles[name],
      statements: [
        ...statementsOf(world, name),
        ...(network === undefined ? [] : networkStatements(stack, functionName(config, name))),
      ],
      environment: {
        ...environmentOf(world, name),
        ...(given.endpoint === undefined ? {} : { SLUICE_ENDPOINT: given.endpoint }),
      },
      ...(given.renderer === undefined ? {} : { renderer: given.renderer }),
    });
    explainWildcards(world, deployed);
    if (network !== undefined) attachToNetwork(deployed, network);
    return deployed;
  };
  // The front cannot be told its own address, which is made after it: it reads it from each request.
  const webhook = create("webhook");
  const { endpoint } = createFront(webhook);
  const functions: Record<FunctionName, Deployed> = {
    webhook,
    source: create("source", { endpoint }),
    apply: create("apply", { endpoint, renderer: new KubectlV36Layer(stack, "Kubectl") }),
    notify: create("notify", { endpoint }),
    schedule: create("schedule", { endpoint }),
    pushes: create("pushes", { endpoint }),
    timers: create("timers"),
  };
  createSourcesRole(stack, config, functions.source, world.bucket);
  connectQueues(stack, config, world.queues, functions);
  startEachMinute(stack, config, functions.schedule);
  startOnPushes(stack, config, functions.pushes);
  admitFunctions(app, stack, config, functions);
  const alarms = createAlarms(stack, config, world.queues, functions);
  if (!config.localstack) createDashboard(stack, config, world.queues, functions, alarms);

  const output = (id: string, value: string, description: string) => new CfnOutput(stack, id, { value, description });
  output("Endpoint", endpoint, "Address of the front: sluice install --endpoint, and webhooks below it");
  output(
    "AdmissionSeedSecret",
    `${secretPrefix}admission-seed`,
    "Secret whose text sluice install --admission-seed takes",
  );
  output("BucketName", world.bucket.bucketName, "Artifacts and records");
  for (const name of queueNames) {
    const { queue, deadLetters } = world.queues[name];
    output(`${queue.node.id}Url`, queue.queueUrl, `Queue of ${name} messages`);
    output(`${deadLetters.node.id}Url`, deadLetters.queueUrl, `What the ${name} queue has given up on`);
  }
  return stack;
}
