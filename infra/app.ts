import { join } from "node:path";
import { bundleFunctions, functionNames } from "./bundle.ts";
import { readConfig } from "./config.ts";
import { synthesize } from "./synthesize.ts";

// The CDK app that cdk.json names. Bundles lie in the assembly's folder, so that two syntheses do not disturb each other.
const { CDK_DEFAULT_ACCOUNT: account, CDK_DEFAULT_REGION: region, CDK_OUTDIR: outdir = "cdk.out" } = process.env;
synthesize({
  bundles: await bundleFunctions(join(outdir, "functions"), functionNames),
  config: readConfig,
  home: { ...(account === undefined ? {} : { account }), ...(region === undefined ? {} : { region }) },
});
