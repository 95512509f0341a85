import { ArnFormat, type Stack, Validations } from "aws-cdk-lib";
import { Effect, PolicyStatement } from "aws-cdk-lib/aws-iam";
import { CfnFunction } from "aws-cdk-lib/aws-lambda";
import type { Network } from "./config.ts";
import type { Deployed } from "./functions.ts";

/** What Lambda does to put a function into a network, with the function's role. */
const interfaceActions = [
  "ec2:AssignPrivateIpAddresses",
  "ec2:CreateNetworkInterface",
  "ec2:DeleteNetworkInterface",
  "ec2:DescribeNetworkInterfaces",
  "ec2:DescribeSubnets",
  "ec2:UnassignPrivateIpAddresses",
];

/**
 * The statements by which Lambda may put a function into a network. They are the service's, not the function's: a
 * call by code that runs in the function is denied.
 */
export function networkStatements(stack: Stack, functionName: string): PolicyStatement[] {
  const functionArn = stack.formatArn({
    service: "lambda",
    resource: "function",
    resourceName: functionName,
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
  return [
    new PolicyStatement({ sid: "AttachToNetwork", actions: interfaceActions, resources: ["*"] }),
    new PolicyStatement({
      sid: "OnlyLambdaAttaches",
      effect: Effect.DENY,
      actions: interfaceActions,
      resources: ["*"],
      conditions: { ArnEquals: { "lambda:SourceFunctionArn": functionArn } },
    }),
  ];
}

/** Puts a function into subnets of a network that exists, to reach API servers that are not on the internet (BS-049). */
export function attachToNetwork({ lambda, role }: Deployed, { subnets, securityGroups }: Network): void {
  const resource = lambda.node.defaultChild;
  if (!(resource instanceof CfnFunction)) throw new Error(`${lambda.node.id} is no function`);
  resource.vpcConfig = { subnetIds: subnets, securityGroupIds: securityGroups };
  Validations.of(role).acknowledge({
    id: "AwsSolutions-IAM5[Resource::*]",
    reason:
      "Lambda makes network interfaces before they have a name, and asks for the describing actions on everything. The function's own code is denied all of them.",
  });
}
