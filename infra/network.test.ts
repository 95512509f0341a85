import { describe, expect, it } from "vitest";
import { functionNames } from "./bundle.ts";
import { constructId } from "./construct-id.ts";
import { propertiesOf, templateOf } from "./template.ts";

const network = {
  subnets: ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
  securityGroups: ["sg-0123456789abcdef0"],
};
const template = templateOf({ network });

describe("a network for clusters that are not on the internet (BS-049)", () => {
  it.each(functionNames)("%s: is in it if it reaches clusters, and only then", (name) => {
    const { VpcConfig } = propertiesOf(template, "AWS::Lambda::Function", constructId(name));
    expect(VpcConfig).toEqual(
      name === "timers" ? undefined : { SubnetIds: network.subnets, SecurityGroupIds: network.securityGroups },
    );
  });

  it.each(functionNames)("%s: is attached by Lambda alone, never by its own code", (name) => {
    const { Policies } = propertiesOf(template, "AWS::IAM::Role", `${constructId(name)}Role`) as {
      Policies: { PolicyDocument: { Statement: { Sid: string; Effect: string; Action: string[] }[] } }[];
    };
    const statements = Policies.flatMap(({ PolicyDocument }) => PolicyDocument.Statement);
    const allowed = statements.find(({ Sid }) => Sid === "AttachToNetwork");
    const denied = statements.find(({ Sid }) => Sid === "OnlyLambdaAttaches");
    if (name === "timers") {
      expect([allowed, denied]).toEqual([undefined, undefined]);
      return;
    }
    expect(allowed).toMatchObject({ Effect: "Allow" });
    expect(denied).toMatchObject({
      Effect: "Deny",
      Action: allowed?.Action,
      Condition: {
        ArnEquals: { "lambda:SourceFunctionArn": `arn:aws:lambda:us-east-1:111111111111:function:sluice-${name}` },
      },
    });
  });

  it("is nobody's where none is configured", () => {
    const without = templateOf();
    for (const name of functionNames)
      expect(propertiesOf(without, "AWS::Lambda::Function", constructId(name))).not.toHaveProperty("VpcConfig");
  });
});
