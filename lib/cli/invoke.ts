#!/usr/bin/env node
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, resolve, sep } from "node:path";
import { loadEnvFile } from "node:process";
import { pathToFileURL } from "node:url";
import { defineCommand, runMain } from "citty";
import { messageOf } from "../text/error-message.ts";

/** A mistake of the caller's: the sentence is all there is to say. */
class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}

/** What a function has of its invocation. */
const context = {
  functionName: "invoke",
  awsRequestId: "00000000-0000-0000-0000-000000000000",
  getRemainingTimeInMillis: () => 120_000,
};

const root = resolve(import.meta.dirname, "../..");

/** `npm run invoke -- functions/webhook events/github-push.json`: runs one function on one event, and prints its answer. */
const invoke = defineCommand({
  meta: {
    name: "npm run invoke --",
    description: "Run one function of this checkout on one event, and print its answer",
  },
  args: {
    function: {
      type: "positional",
      required: true,
      valueHint: "functions/NAME",
      description: "folder of the function",
    },
    event: { type: "positional", required: true, valueHint: "events/NAME.json", description: "file with the event" },
    env: {
      type: "string",
      valueHint: "FILE",
      description: "variables of a deployment, a NAME=value a line (AWS_ENDPOINT_URL leads to LocalStack)",
    },
  },
  run: async ({ args }) => {
    try {
      if (args.env !== undefined) loadVariables(args.env);
      const event = await readEvent(args.event);
      const handler = await loadHandler(args.function);
      console.log(JSON.stringify((await handler(event, context)) ?? null, null, 2));
      process.exit(0);
    } catch (error) {
      const message = messageOf(error);
      console.error(error instanceof UsageError ? `invoke: ${message}` : `invoke: the function failed: ${message}`);
      process.exit(error instanceof UsageError ? 2 : 1);
    }
  },
});

type Handler = (event: unknown, context: unknown) => unknown;

async function loadHandler(folder: string): Promise<Handler> {
  const directory = resolve(folder);
  const path = resolve(directory, "handler.ts");
  if (!directory.startsWith(`${resolve(root, "functions")}${sep}`) || !existsSync(path))
    throw new UsageError(`${folder} is no function: name one of the folders of functions/ that hold a handler.ts`);
  if (!Object.keys(process.env).some((name) => name.startsWith("SLUICE_"))) {
    console.error(
      `invoke: no deployment is named: functions/${basename(directory)} runs with events/sample.env, which knows no cluster. --env FILE gives it the variables of one (docs/deploy-aws.md)`,
    );
    loadVariables(resolve(root, "events/sample.env"));
  }
  const module: unknown = await import(pathToFileURL(path).href);
  if (typeof module !== "object" || module === null || !("handler" in module) || typeof module.handler !== "function")
    throw new UsageError(`${folder}/handler.ts exports no function named handler`);
  const { handler } = module;
  return (event, invocation) => handler(event, invocation);
}

async function readEvent(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch {
    throw new UsageError(`${file} cannot be read: name a file of events/`);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${file} is not JSON: ${messageOf(error)}`);
  }
}

function loadVariables(file: string): void {
  try {
    loadEnvFile(file);
  } catch {
    throw new UsageError(`${file} cannot be read: --env names a file with a NAME=value a line`);
  }
}

await runMain(invoke);
