// The Runtime Interface Client of a Node function: asks the Runtime API for invocations, calls the handler, answers.
import { existsSync, writeSync } from "node:fs";
import { Agent, request } from "node:http";
import { basename, dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { format } from "node:util";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
let requestId;

// The other end of standard input is LocalStack: when it is gone, this process goes, with all that it has started.
process.stdin.on("end", () => process.kill(-process.pid, "SIGKILL")).resume();
process.stdin.unref?.();

function call(method, path, body, through = agent) {
  return new Promise((resolveAnswer, reject) => {
    const headers =
      body === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const asking = request({ host, port, method, path: `/2018-06-01/runtime/${path}`, agent: through, headers });
    asking.once("error", reject);
    asking.once("response", (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.once("error", reject);
      response.once("end", () =>
        resolveAnswer({
          status: response.statusCode,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
        }),
      );
    });
    asking.end(body);
  });
}

function log(level, ...values) {
  writeSync(1, `${new Date().toISOString()}\t${requestId}\t${level}\t${format(...values).replaceAll("\n", "\r")}\n`);
}
for (const level of ["debug", "error", "info", "trace", "warn"])
  console[level] = log.bind(undefined, level.toUpperCase());
console.log = console.info;

function describe(error, type) {
  if (!(error instanceof Error))
    return JSON.stringify({ errorType: type ?? typeof error, errorMessage: String(error) });
  return JSON.stringify({
    errorType: type ?? error.name,
    errorMessage: error.message,
    trace: (error.stack ?? "").split("\n"),
  });
}

async function fail(error, type) {
  log("ERROR", type ?? "Uncaught Exception", error);
  const path = requestId === undefined ? "init/error" : `invocation/${requestId}/error`;
  await call("POST", path, describe(error, type), new Agent()).catch(() => undefined);
  process.exit(1);
}
process.on("unhandledRejection", (error) => fail(error, "Runtime.UnhandledPromiseRejection"));
process.on("uncaughtException", (error) => fail(error));

async function load() {
  const name = process.env._HANDLER;
  const [file, exported] = basename(name).split(".");
  const path = resolve(process.env.LAMBDA_TASK_ROOT, dirname(name), file);
  const found = [".js", ".mjs", ".cjs"].map((extension) => path + extension).find(existsSync);
  if (found === undefined) throw new Error(`Cannot find module '${name}'`);
  const module = await import(pathToFileURL(found).href);
  const handler = module[exported] ?? module.default?.[exported];
  if (typeof handler !== "function") throw new Error(`${name} is not a function`);
  return handler;
}

const handler = await load().catch(fail);
for (;;) {
  const next = await call("GET", "invocation/next").catch(() => process.exit(0));
  if (next.status !== 200) process.exit(0);
  requestId = next.headers["lambda-runtime-aws-request-id"];
  const deadline = Number(next.headers["lambda-runtime-deadline-ms"]);
  const context = {
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    invokedFunctionArn: next.headers["lambda-runtime-invoked-function-arn"],
    awsRequestId: requestId,
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
  try {
    const result = await handler(JSON.parse(next.body), context);
    await call("POST", `invocation/${requestId}/response`, JSON.stringify(result) ?? "null");
  } catch (error) {
    log("ERROR", "Invoke Error", error);
    await call("POST", `invocation/${requestId}/error`, describe(error)).catch(() => process.exit(1));
  }
  requestId = undefined;
}
