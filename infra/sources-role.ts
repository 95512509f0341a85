import { type Stack, Validations } from "aws-cdk-lib";
import { Effect, PolicyDocument, PolicyStatement, Role } from "aws-cdk-lib/aws-iam";
import type { Bucket } from "aws-cdk-lib/aws-s3";
import type { Config } from "./config.ts";
import { type Deployed, roleName } from "./functions.ts";

/** The ARN that the role of sources has or would have, or undefined where the deployment names nothing for it. */
export function sourcesRoleArn(stack: Stack, config: Config): string | undefined {
  const { repositories, registries, buckets } = config.sources;
  if (repositories.length + registries.length + buckets.length === 0) return undefined;
  // Known by its name: it trusts the function's role, which in turn may take it, and neither could be made before the other.
  return stack.formatArn({
    service: "iam",
    region: "",
    resource: "role",
    resourceName: roleName(config, "sources", stack.region),
  });
}

/**
 * The role by which sources in AWS are read that bring no identity (SN-010). It is not the function's own, which reads every tenant's
 * artifacts: this one has the rights to what the deployment names, and is denied the deployment's bucket even if that is named.
 * Only the source function may take it. ECR's tags and referrers are asked by the registry's API, under ListImages and BatchGetImage.
 */
export function createSourcesRole(stack: Stack, config: Config, source: Deployed, own: Bucket): void {
  if (sourcesRoleArn(stack, config) === undefined) return;
  const { repositories, registries, buckets } = config.sources;
  const allow = (sid: string, actions: string[], resources: string[]) =>
    resources.length === 0 ? [] : [new PolicyStatement({ sid, actions, resources: [...new Set(resources)] })];
  const role = new Role(stack, "SourcesRole", {
    roleName: roleName(config, "sources", stack.region),
    description: "What Sluice's source function may read of AWS for sources that have no credentials of their own",
    assumedBy: source.role,
    inlinePolicies: {
      grants: new PolicyDocument({
        statements: [
          ...allow("PullRepositories", ["codecommit:GitPull"], repositories),
          ...allow("LogInToRegistries", ["ecr:GetAuthorizationToken"], registries.length === 0 ? [] : ["*"]),
          ...allow(
            "PullImages",
            ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:ListImages"],
            registries,
          ),
          ...allow("ListBuckets", ["s3:GetBucketLocation", "s3:ListBucket"], buckets),
          ...allow(
            "ReadBuckets",
            ["s3:GetObject"],
            buckets.map((bucket) => `${bucket}/*`),
          ),
          new PolicyStatement({
            sid: "NeverSluice",
            effect: Effect.DENY,
            actions: ["s3:*"],
            resources: [own.bucketArn, own.arnForObjects("*")],
          }),
        ],
      }),
    },
  });
  const explain = (resource: string, reason: string) =>
    Validations.of(role).acknowledge({ id: `AwsSolutions-IAM5[Resource::${resource}]`, reason });
  if (registries.length > 0)
    explain("*", "ECR's token is for a whole registry, and its action knows no resource; what may be pulled is named.");
  for (const bucket of new Set(buckets))
    explain(`${bucket}/*`, "The deployment names the bucket as a source: a Bucket fetches whatever objects it holds.");
}
