import { App, type AppProps, Validations } from "aws-cdk-lib";
import type { CloudAssembly } from "aws-cdk-lib/cx-api";
import { AwsSolutionsChecks } from "cdk-nag";
import type { Bundle, FunctionName } from "./bundle.ts";
import type { Config } from "./config.ts";
import { createDeployment, type Home } from "./stack.ts";

/**
 * Synthesizes one deployment and checks it with cdk-nag's AWS Solutions pack. Throws ValidationFailed for a finding that
 * nobody has explained beside the resource; the report lies in the assembly's folder.
 */
export function synthesize(options: {
  bundles: Record<FunctionName, Bundle>;
  /** The configuration, or how to read it from the app's context. */
  config: Config | ((context: (key: string) => unknown) => Config);
  home: Home;
  app?: AppProps;
  /** Adds to the stacks before they are checked: how a test shows that the check bites. */
  extend?: (app: App) => void;
}): CloudAssembly {
  const app = new App(options.app);
  const config =
    typeof options.config === "function" ? options.config((key) => app.node.tryGetContext(key)) : options.config;
  createDeployment(app, config, options.bundles, options.home);
  options.extend?.(app);
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  return app.synth();
}
