import { fileURLToPath } from "node:url";
import { App, Validations } from "aws-cdk-lib";
import { AwsSolutionsChecks } from "cdk-nag";
import { bundleFunctions, functionNames } from "./bundle.ts";
import { readConfig } from "./config.ts";
import { createDeployment, type Home } from "./stack.ts";

/** The CDK app that cdk.json names. A finding of cdk-nag that nobody has explained fails the synthesis. */
const app = new App();
const config = readConfig((key) => app.node.tryGetContext(key));
const bundles = await bundleFunctions(fileURLToPath(new URL("../dist/functions", import.meta.url)), functionNames);
const { CDK_DEFAULT_ACCOUNT: account, CDK_DEFAULT_REGION: region } = process.env;
const home: Home = { ...(account === undefined ? {} : { account }), ...(region === undefined ? {} : { region }) };
createDeployment(app, config, bundles, home);
Validations.of(app).addPlugins(new AwsSolutionsChecks(app, { verbose: true }));
app.synth();
