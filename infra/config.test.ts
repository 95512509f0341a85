import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { parseConfig, readConfig } from "./config.ts";

const directory = mkdtempSync(join(tmpdir(), "sluice-config-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const context = (given: Record<string, unknown>) => (key: string) => given[key];

describe("configuration of a deployment", () => {
  it("needs nothing: a deployment without clusters is a valid first step", () => {
    expect(parseConfig({})).toMatchObject({ name: "sluice", clusters: [], visibilityFactor: 6, localstack: false });
  });

  it("takes the file, and the command line's context before it", () => {
    const file = join(directory, "sluice.config.json");
    writeFileSync(file, JSON.stringify({ name: "team-a", logRetentionDays: 30, memory: { apply: 3008 } }));
    const config = readConfig(
      context({
        config: file,
        logRetentionDays: "7",
        clusters: '[{"id":"prod","type":"eks","name":"prod"}]',
        region: "eu-west-1",
        localstack: "true",
      }),
    );
    expect(config).toMatchObject({ name: "team-a", logRetentionDays: 7, region: "eu-west-1", localstack: true });
    expect(config.memory).toMatchObject({ apply: 3008, source: 1769 });
    expect(config.clusters).toEqual([{ id: "prod", type: "eks", name: "prod" }]);
  });

  it("names a file that is not there", () => {
    expect(() => readConfig(context({ config: "nowhere.json" }))).toThrow("there is no file nowhere.json");
  });

  it.each([
    [{ cluster: [] }, "cluster: there is no such setting"],
    [{ name: "Sluice" }, "name: must be lower-case letters"],
    [{ clusters: {} }, "clusters: must be a list"],
    [{ remoteClusters: ["*"] }, "remoteClusters[0]: must be the ARN of an EKS cluster"],
    [
      { remoteClusters: ["arn:aws:eks:eu-central-1:222222222222:cluster/*"] },
      "remoteClusters[0]: must be the ARN of an EKS cluster (no wildcard)",
    ],
    [{ decryption: { keys: ["*"] } }, "decryption.keys[0]: must be the ARN of a KMS key"],
    [
      { decryption: { keys: ["arn:aws:kms:eu-central-1:222222222222:alias/sops"] } },
      "decryption.keys[0]: must be the ARN of a KMS key (no alias",
    ],
    [{ decryption: { roles: ["arn:aws:iam::222222222222:role/*"] } }, "decryption.roles[0]: must be the ARN of a role"],
    [{ decryption: { key: [] } }, "decryption.key: must be keys or roles"],
    [{ sources: { registry: [] } }, "sources.registry: must be repositories, registries or buckets"],
    [{ sources: { buckets: ["apps"] } }, "sources.buckets[0]: must be the ARN of an S3 bucket (no path, no wildcard)"],
    [{ sources: { buckets: ["arn:aws:s3:::*"] } }, "sources.buckets[0]: must be the ARN of an S3 bucket"],
    [{ sources: { buckets: ["arn:aws:s3:::apps/*"] } }, "sources.buckets[0]: must be the ARN of an S3 bucket"],
    [
      { sources: { registries: ["arn:aws:ecr:eu-central-1:222222222222:repository/team/*"] } },
      "sources.registries[0]: must be the ARN of an ECR repository (no wildcard)",
    ],
    [
      { sources: { repositories: ["arn:aws:codecommit:eu-central-1:222222222222:*"] } },
      "sources.repositories[0]: must be the ARN of a CodeCommit repository (no wildcard)",
    ],
    [{ temporaryStorage: { source: 511 } }, "temporaryStorage.source: must be a whole number from 512 to 10240"],
    [{ temporaryStorage: { notify: 512 } }, "temporaryStorage.notify: must be one of source, apply"],
    [{ clusters: [{ id: "a", type: "gke" }] }, "clusters[0].type: must be eks or kubeconfig"],
    [{ clusters: [{ id: "a/b", type: "eks", name: "x" }] }, "clusters[0].id: must be letters"],
    [{ clusters: [{ id: "a", type: "eks" }] }, "clusters[0].name: must be the name of an EKS cluster"],
    [
      { clusters: [{ id: "a", type: "eks", name: "x", secret: "s" }] },
      "clusters[0].secret: a cluster of type eks has no",
    ],
    [
      { clusters: [{ id: "a", type: "kubeconfig", secret: "arn:aws:secretsmanager:x" }] },
      "clusters[0].secret: must be the name of a secret, not its ARN",
    ],
    [
      {
        clusters: [
          { id: "a", type: "eks", name: "x" },
          { id: "a", type: "eks", name: "y" },
        ],
      },
      "two clusters have the id 'a'",
    ],
    [
      {
        clusters: [
          { id: "a", type: "eks", name: "x" },
          { id: "b", type: "eks", name: "x" },
        ],
      },
      "'b' is a cluster that another entry names already",
    ],
    [
      {
        clusters: Array.from({ length: 60 }, (_, at) => ({ id: `cluster-${at}`, type: "eks", name: `cluster-${at}` })),
      },
      "clusters: takes more than the 2800 bytes",
    ],
    [{ maximumConcurrency: { apply: 1 } }, "maximumConcurrency.apply: must be a whole number from 2 to 1000"],
    [
      { maximumConcurrency: { webhook: 5 } },
      "maximumConcurrency.webhook: must be one of source, apply, notify, timers",
    ],
    [{ reservedConcurrency: { apply: 0 } }, "reservedConcurrency.apply: must be a whole number from 1"],
    [
      { network: { subnets: [], securityGroups: ["sg-0a1b2c3d"] } },
      "network.subnets: must be a list, and not an empty one",
    ],
    [
      { network: { subnets: ["subnet-0a1b2c3d"], securityGroups: ["web"] } },
      "network.securityGroups[0]: must be an id such as sg-",
    ],
    [{ network: { vpc: "vpc-1" } }, "network.vpc: must be subnets or securityGroups"],
    [{ logRetentionDays: 8 }, "logRetentionDays: is not one of"],
    [{ logLevel: "debug" }, "logLevel: must be one of DEBUG, INFO, WARN, ERROR"],
    [{ alarmEmail: "nobody" }, "alarmEmail: must be an e-mail address"],
  ])("refuses %j", (config, message) => {
    expect(() => parseConfig(config)).toThrow(message);
  });
});
