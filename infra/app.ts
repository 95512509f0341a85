import { fileURLToPath } from "node:url";
import { bundleFunctions, functionNames } from "./bundle.ts";
import { readConfig } from "./config.ts";
import { synthesize } from "./synthesize.ts";

// The CDK app that cdk.json names.
const { CDK_DEFAULT_ACCOUNT: account, CDK_DEFAULT_REGION: region } = process.env;
synthesize({
  bundles: await bundleFunctions(fileURLToPath(new URL("../dist/functions", import.meta.url)), functionNames),
  config: readConfig,
  home: { ...(account === undefined ? {} : { account }), ...(region === undefined ? {} : { region }) },
});
