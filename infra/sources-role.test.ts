import { describe, expect, it } from "vitest";
import { functionNames } from "./bundle.ts";
import { constructId } from "./construct-id.ts";
import { propertiesOf, readable, resourcesOf, templateOf } from "./template.ts";

const repository = "arn:aws:codecommit:eu-west-1:222222222222:apps";
const registry = "arn:aws:ecr:us-east-1:111111111111:repository/team/apps";
const bucket = "arn:aws:s3:::apps";
const named = templateOf({
  name: "team-a",
  sources: { repositories: [repository, repository], registries: [registry], buckets: [bucket] },
});
const roleArn = "arn:aws:iam::111111111111:role/team-a-sources-us-east-1";
const never = {
  Sid: "NeverSluice",
  Effect: "Deny",
  Action: "s3:*",
  Resource: ["Bucket.Arn", "Bucket.Arn/*"],
};

/** The statements of a role, with names that can be read. */
function statementsOf(template: typeof named, role: string): { [field: string]: unknown }[] {
  const { Policies } = readable(propertiesOf(template, "AWS::IAM::Role", role)) as {
    Policies: { PolicyDocument: { Statement: { [field: string]: unknown }[] } }[];
  };
  return Policies.flatMap(({ PolicyDocument }) => PolicyDocument.Statement);
}

describe("the role of sources (SN-010)", () => {
  it("SN-010: reads what the deployment names, and never the deployment's own bucket", () => {
    expect(statementsOf(named, "SourcesRole")).toEqual([
      { Sid: "PullRepositories", Effect: "Allow", Action: "codecommit:GitPull", Resource: repository },
      { Sid: "LogInToRegistries", Effect: "Allow", Action: "ecr:GetAuthorizationToken", Resource: "*" },
      {
        Sid: "PullImages",
        Effect: "Allow",
        Action: [
          "ecr:BatchCheckLayerAvailability",
          "ecr:BatchGetImage",
          "ecr:GetDownloadUrlForLayer",
          "ecr:ListImages",
        ],
        Resource: registry,
      },
      { Sid: "ListBuckets", Effect: "Allow", Action: ["s3:GetBucketLocation", "s3:ListBucket"], Resource: bucket },
      { Sid: "ReadBuckets", Effect: "Allow", Action: "s3:GetObject", Resource: `${bucket}/*` },
      never,
    ]);
  });

  it("may be taken by the source function's role alone, which is told of it and may take no other", () => {
    const role = propertiesOf(named, "AWS::IAM::Role", "SourcesRole");
    expect(role.RoleName).toBe("team-a-sources-us-east-1");
    expect(readable(role.AssumeRolePolicyDocument)).toMatchObject({
      Statement: [{ Action: "sts:AssumeRole", Effect: "Allow", Principal: { AWS: "SourceRole.Arn" } }],
    });
    for (const name of functionNames) {
      const { Environment } = propertiesOf(named, "AWS::Lambda::Function", constructId(name)) as {
        Environment: { Variables: Record<string, unknown> };
      };
      const own = statementsOf(named, `${constructId(name)}Role`).filter(({ Action }) => Action === "sts:AssumeRole");
      const isSource = name === "source";
      expect(own.map(({ Sid }) => Sid)).toEqual(isSource ? ["AssumeRoleOfSources"] : []);
      expect(own.map(({ Resource }) => Resource)).toEqual(isSource ? [roleArn] : []);
      expect(readable(Environment.Variables.SLUICE_SOURCES_ROLE)).toBe(isSource ? roleArn : undefined);
    }
  });

  it("has no right that no setting asks for, and is not there where nothing is named", () => {
    expect(resourcesOf(templateOf(), "AWS::IAM::Role")).not.toHaveProperty("SourcesRole");
    expect(resourcesOf(templateOf({ sources: {} }), "AWS::IAM::Role")).not.toHaveProperty("SourcesRole");
    const git = templateOf({ sources: { repositories: [repository] } });
    expect(statementsOf(git, "SourcesRole").map(({ Sid }) => Sid)).toEqual(["PullRepositories", "NeverSluice"]);
  });
});
