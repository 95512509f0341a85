import { type App, Stack, Token } from "aws-cdk-lib";
import { CfnAccessEntry } from "aws-cdk-lib/aws-eks";
import { sluiceGroups } from "../lib/api/install/rbac.ts";
import { type FunctionName, functionNames } from "./bundle.ts";
import type { Cluster, Config } from "./config.ts";
import { type Deployed, roleName } from "./functions.ts";
import { needs } from "./grants.ts";
import { ConfigError } from "./setting.ts";

type EksCluster = Extract<Cluster, { type: "eks" }>;

/**
 * The Kubernetes groups of a function's role. Only the function that applies may do whatever a repository may contain; all
 * others see Flux's kinds and what those refer to (BS-045, TM-001).
 */
export function groupsOf(name: FunctionName): string[] {
  return [name === "apply" ? sluiceGroups.reconcilers : sluiceGroups.controllers];
}

/**
 * Lets the functions' roles into EKS clusters: one access entry for each role and cluster, which only names the role's
 * groups. What these may do is said by the RBAC that `sluice install` puts into the cluster, not by an EKS access policy:
 * EKS has none that knows Flux's kinds, and `flux uninstall` then leaves the roles without any right (BS-045).
 *
 * An access entry is made in its cluster's region. Clusters of other regions than the deployment's get one small stack
 * for each region.
 */
export function admitFunctions(
  app: App,
  stack: Stack,
  config: Config,
  functions: Record<FunctionName, Deployed>,
): void {
  const clusters = config.clusters.filter((cluster) => cluster.type === "eks");
  const isForeign = ({ region }: EksCluster) => region !== undefined && region !== stack.region;
  const foreign = Map.groupBy(clusters.filter(isForeign), ({ region = "" }) => region);
  if (foreign.size > 0 && Token.isUnresolved(stack.region))
    throw new ConfigError("region", "must be given where a cluster names a region, so that the two can be compared");

  for (const cluster of clusters.filter((candidate) => !isForeign(candidate)))
    createEntries(stack, cluster, (name) => functions[name].role.roleArn);
  for (const [region, inRegion] of foreign) {
    const access = new Stack(app, `${config.name}-access-${region}`, {
      description: `Lets Sluice, which runs in ${stack.region}, into the EKS clusters of ${region}`,
      env: { account: stack.account, region },
    });
    // An entry names a role that must exist.
    access.addStackDependency(stack);
    const roleArn = (name: FunctionName) =>
      access.formatArn({
        service: "iam",
        region: "",
        resource: "role",
        resourceName: roleName(config, name, stack.region),
      });
    for (const cluster of inRegion) createEntries(access, cluster, roleArn);
  }
}

function createEntries(stack: Stack, cluster: EksCluster, roleArn: (name: FunctionName) => string): void {
  for (const name of functionNames.filter((candidate) => needs[candidate].clusters)) {
    new CfnAccessEntry(stack, `Access-${cluster.id}-${name}`, {
      clusterName: cluster.name,
      principalArn: roleArn(name),
      type: "STANDARD",
      kubernetesGroups: groupsOf(name),
    });
  }
}
