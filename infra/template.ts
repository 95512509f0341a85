import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { App } from "aws-cdk-lib";
import cdk from "../cdk.json" with { type: "json" };
import { type Bundle, type FunctionName, functionNames } from "./bundle.ts";
import { parseConfig } from "./config.ts";
import type { Home } from "./stack.ts";
import { synthesize } from "./synthesize.ts";

/** A synthesized template, as tests read it. */
export type Template = { Resources: Record<string, Resource>; Outputs?: Record<string, unknown> };
export type Resource = { Type: string; Properties: Record<string, unknown>; DeletionPolicy?: string };

/** Where tests deploy to. */
export const home: Home = { account: "111111111111", region: "us-east-1" };

/**
 * Synthesizes a deployment for a test, with functions that hold nothing: what they hold is bundle.test.ts's business. Gives
 * the templates by stack name, and what lay in the assembly's folder as text.
 */
export function templatesOf(
  config: unknown = {},
  options: { home?: Home; extend?: (app: App) => void } = {},
): Record<string, Template> {
  const directory = mkdtempSync(join(tmpdir(), "sluice-infra-"));
  try {
    const { stacks } = synthesize({
      bundles: emptyBundles(join(directory, "functions")),
      config: parseConfig(config),
      home: options.home ?? home,
      app: { outdir: join(directory, "cdk.out"), context: cdk.context },
      ...(options.extend === undefined ? {} : { extend: options.extend }),
    });
    return Object.fromEntries(
      stacks.map(({ stackName, templateFullPath }) => [stackName, JSON.parse(readFileSync(templateFullPath, "utf8"))]),
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The template of the stack that does the work. */
export function templateOf(config: { [key: string]: unknown } = {}, options: { home?: Home } = {}): Template {
  const template = templatesOf(config, options)[typeof config.name === "string" ? config.name : "sluice"];
  if (template === undefined) throw new Error("the deployment has no main stack");
  return template;
}

/** The resources of one type by their readable name. */
export function resourcesOf(template: Template, type: string): Record<string, Resource> {
  const found = Object.entries(template.Resources).filter(([, resource]) => resource.Type === type);
  return Object.fromEntries(found.map(([id, resource]) => [nameOf(id), resource]));
}

/** The properties of the one resource of a type that has this readable name. */
export function propertiesOf(template: Template, type: string, name: string): Record<string, unknown> {
  const found = resourcesOf(template, type)[name];
  if (found === undefined) throw new Error(`there is no ${type} ${name}`);
  return found.Properties;
}

/** A value of a template without CloudFormation's functions: `Ref` and `GetAtt` by readable name, joins joined. */
export function readable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(readable);
  if (typeof value !== "object" || value === null) return value;
  const fields: { [key: string]: unknown } = { ...value };
  if (typeof fields.Ref === "string") return nameOf(fields.Ref);
  const attribute = fields["Fn::GetAtt"];
  if (Array.isArray(attribute)) return `${nameOf(String(attribute[0]))}.${attribute[1]}`;
  const join = fields["Fn::Join"];
  if (Array.isArray(join) && Array.isArray(join[1])) return join[1].map(readable).join(String(join[0]));
  return Object.fromEntries(Object.entries(fields).map(([key, entry]) => [key, readable(entry)]));
}

/** A logical id without the digest that CDK appends. */
function nameOf(logicalId: string): string {
  return logicalId.replace(/[0-9A-F]{8}$/, "");
}

function emptyBundles(directory: string): Record<FunctionName, Bundle> {
  const bundles = functionNames.map((name): [FunctionName, Bundle] => {
    const bundle: Bundle = {
      directory: join(directory, name),
      file: join(directory, name, "index.mjs"),
      bytes: 0,
      startBytes: 0,
      inputs: {},
      startInputs: [],
    };
    mkdirSync(bundle.directory, { recursive: true });
    writeFileSync(bundle.file, `export const handler = () => "${name}";\n`);
    return [name, bundle];
  });
  return Object.fromEntries(bundles) as Record<FunctionName, Bundle>;
}
