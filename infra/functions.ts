import { Duration, Fn, RemovalPolicy, Size, type Stack } from "aws-cdk-lib";
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import {
  Architecture,
  Code,
  type FunctionUrl,
  FunctionUrlAuthType,
  type ILayerVersion,
  Function as LambdaFunction,
  RecursiveLoop,
  Runtime,
} from "aws-cdk-lib/aws-lambda";
import { LogGroup } from "aws-cdk-lib/aws-logs";
import type { Bundle, FunctionName } from "./bundle.ts";
import type { Config } from "./config.ts";
import { constructId } from "./construct-id.ts";

/**
 * Longest time of one invocation in seconds. Work may take as long as on the local host; the front answers within what
 * API servers and Git hosts wait for; the schedule is over before its next minute.
 */
export const timeoutSeconds: Record<FunctionName, number> = {
  webhook: 20,
  source: 120,
  apply: 120,
  notify: 60,
  schedule: 60,
  pushes: 30,
  timers: 30,
};

/** What makes one function of a bundle. */
export type FunctionOptions = {
  bundle: Bundle;
  /** All that its role may do besides writing its own log (grants.ts). */
  statements: PolicyStatement[];
  environment: Record<string, string>;
  /** kubectl and helm, for the function that renders. */
  renderer?: ILayerVersion;
};

/** The name of a function in Lambda. */
export function functionName(config: Config, name: FunctionName): string {
  return `${config.name}-${name}`;
}

/**
 * The name of a function's role, by which clusters know it. IAM is one for all regions, so the region keeps two
 * deployments of one name apart.
 */
export function roleName(config: Config, name: FunctionName | "sources", region: string): string {
  return `${config.name}-${name}-${region}`;
}

/** A function with its role. */
export type Deployed = { name: FunctionName; lambda: LambdaFunction; role: Role };

/**
 * Creates one function with a role of its own, which holds its grants and nothing else. A function that renders is
 * x86-64, since the layer's binaries are; all others run on arm64, which is cheaper.
 */
export function createFunction(
  stack: Stack,
  config: Config,
  name: FunctionName,
  { bundle, statements, environment, renderer }: FunctionOptions,
): Deployed {
  const id = constructId(name);
  const ownName = functionName(config, name);
  const log = new LogGroup(stack, `${id}Log`, {
    logGroupName: `/aws/lambda/${ownName}`,
    retention: config.logRetentionDays,
    removalPolicy: RemovalPolicy.DESTROY,
  });
  const role = new Role(stack, `${id}Role`, {
    roleName: roleName(config, name, stack.region),
    description: `What Sluice's ${name} function may do`,
    assumedBy: new ServicePrincipal("lambda.amazonaws.com"),
    inlinePolicies: {
      grants: new PolicyDocument({
        statements: [
          new PolicyStatement({
            sid: "WriteOwnLog",
            actions: ["logs:CreateLogStream", "logs:PutLogEvents"],
            resources: [log.logGroupArn],
          }),
          ...statements,
        ],
      }),
    },
  });
  const reserved = config.reservedConcurrency[name];
  const lambda = new LambdaFunction(stack, id, {
    functionName: ownName,
    description: `Sluice: ${name}`,
    code: Code.fromAsset(bundle.directory),
    handler: "index.handler",
    runtime: Runtime.NODEJS_24_X,
    architecture: renderer === undefined ? Architecture.ARM_64 : Architecture.X86_64,
    memorySize: config.memory[name],
    timeout: Duration.seconds(timeoutSeconds[name]),
    role,
    logGroup: log,
    environment: { ...environment, POWERTOOLS_LOG_LEVEL: config.logLevel },
    layers: renderer === undefined ? [] : [renderer],
    // An artifact may unpack to 512 MiB (lib/kustomize/artifact.ts), and packs and layers spill (lib/platform/spool.ts);
    // 512 MiB is all that /tmp holds unless asked for more.
    ...(name === "source" || name === "apply"
      ? { ephemeralStorageSize: Size.mebibytes(config.temporaryStorage[name]) }
      : {}),
    // A health check that looks again, or a chain of dependencies, goes through the queues more often than the sixteen
    // times after which Lambda would take it for a runaway loop and drop it. Ours ends by its own deadline and back-off.
    recursiveLoop: RecursiveLoop.ALLOW,
    ...(reserved === undefined ? {} : { reservedConcurrentExecutions: reserved }),
  });
  return { name, lambda, role };
}

/**
 * The front's address. It asks for no AWS signature: API servers, Git hosts and registries have none to give. The function
 * itself verifies each request, by the Receiver's signature or token, the cluster's admission token, or the artifact's path.
 */
export function createFront(webhook: Deployed): { url: FunctionUrl; endpoint: string } {
  const url = webhook.lambda.addFunctionUrl({ authType: FunctionUrlAuthType.NONE });
  // "https://host/" without the slash at its end; LocalStack's scheme is http.
  const endpoint = Fn.join("//", [Fn.select(0, Fn.split("//", url.url)), Fn.select(2, Fn.split("/", url.url))]);
  return { url, endpoint };
}
