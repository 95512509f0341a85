import type { HelmRepository } from "../../api/helm-repository.ts";
import { readChartArchive } from "../../chart/archive.ts";
import { type Chart, loadArchive } from "../../chart/load.ts";
import { readMetadata } from "../../chart/metadata.ts";
import { packageChart } from "../../chart/package.ts";
import { effectiveValuesFiles, mergeChartValues, overwriteValues } from "../../chart/values.ts";
import { messageOf } from "../../text/error-message.ts";
import { repositoryClient } from "../helm-repository/client.ts";
import { toldUrl } from "../helm-repository/told-url.ts";
import { SourceFailure } from "../source/source-failure.ts";
import { urlProblem } from "../source/url-problem.ts";
import { type Build, type ChartPass, limitsOf, storedBuild, versionMetadata, withMetadata } from "./build.ts";
import { repositoryFailure, step } from "./build-failure.ts";
import { type OfferedChart, openCharts } from "./repository.ts";
import { prepareVerification, verifyChart } from "./verify.ts";

/** Builds a chart of a HelmRepository (HC-010 to HC-017, HC-040 to HC-043). Throws SourceFailure. */
export async function buildRemote(pass: ChartPass, object: HelmRepository): Promise<Build> {
  const client = await clientOf(pass, object);
  try {
    return await build(pass, object, client);
  } catch (error) {
    throw repositoryFailure(error);
  }
}

async function clientOf({ context }: ChartPass, object: HelmRepository) {
  const { url, type } = object.spec;
  if (!URL.canParse(url)) {
    const message = `invalid Helm repository URL: ${urlProblem(toldUrl(url))}`;
    throw new SourceFailure("FetchFailed", "URLInvalid", message, { terminal: true });
  }
  if (url.startsWith("oci://") !== (type === "oci")) {
    const words = type === "oci" ? `invalid OCI registry URL: ${toldUrl(url)}` : `scheme "oci" not supported`;
    const message = `failed to construct Helm client: ${words}`;
    throw new SourceFailure("FetchFailed", "Failed", message, { terminal: true });
  }
  try {
    return await repositoryClient(context, object);
  } catch (error) {
    throw new SourceFailure("FetchFailed", "AuthenticationFailed", messageOf(error), { cause: error });
  }
}

async function build(
  pass: ChartPass,
  repository: HelmRepository,
  client: Awaited<ReturnType<typeof clientOf>>,
): Promise<Build> {
  const { object, context, signal } = pass;
  const { chart: name, version: range = "*", ignoreMissingValuesFiles = false } = object.spec;
  await step("InvalidChartReference", () => checkName(name));
  const check = await prepareVerification(pass, client);
  const found = await find(pass, repository, client, name, range);
  const verified = await verifyChart(pass, check, found);
  const valuesFiles = effectiveValuesFiles(object.spec.valuesFiles ?? []);
  const metadata = versionMetadata(object, undefined);
  const version = await step("MetadataPatchError", () => withMetadata(found.version, metadata));
  const packaged = valuesFiles.length > 0;
  const told = { name: found.name, version, verified };
  const stored = await storedBuild(pass, found.name, version, packaged);
  if (stored !== undefined) return { ...stored, verified };
  const archive = await step("ChartPullError", () => found.download(), "failed to download chart for remote reference");
  const limits = limitsOf(context);
  if (!packaged) {
    await step("ChartPullError", async () => readMetadata(await readChartArchive(archive, limits, signal)));
    return { ...told, archive: bufferOf(archive), valuesFiles: [], packaged, dependencies: 0 };
  }
  const chart = await step(
    "ChartPackageError",
    () => loadArchive(archive, limits, signal),
    "failed to load downloaded chart",
  );
  chart.metadata.version = version;
  const merged = await step(
    "ValuesFilesError",
    () => mergeChartValues(chart, object.spec.valuesFiles ?? [], ignoreMissingValuesFiles),
    "failed to merge chart values",
  );
  const changed = await step("ValuesFilesError", () => overwriteValues(chart, merged.values));
  const files = changed ? merged.files : [];
  return { ...told, archive: await packaging(chart), valuesFiles: files, packaged, dependencies: 0 };
}

function packaging(chart: Chart): Promise<Buffer> {
  return step("ChartPackageError", () => packageChart(chart));
}

/** HC-012, HC-013: an index has no such version, which waits for another one; a registry is asked again. */
async function find(
  { context }: ChartPass,
  repository: HelmRepository,
  client: Awaited<ReturnType<typeof clientOf>>,
  name: string,
  range: string,
): Promise<OfferedChart> {
  const told = "failed to get chart version for remote reference";
  const charts = await step("ChartPullError", () => openCharts(context, repository, client), told);
  const reason = charts.isRegistry ? "ChartPullError" : "InvalidChartReference";
  return step(reason, () => charts.find(name, range), told);
}

/** HC-010. */
function checkName(name: string): void {
  if (name === "") throw new Error("no name set for remote chart reference");
  // As `^([-a-z0-9]+/?\.?)+$`, in linear time: no two separators meet but `/.`.
  if (/^[-a-z0-9][-a-z0-9/.]*$/.test(name) && !/\/\/|\.\.|\.\//.test(name)) return;
  throw new Error(
    `invalid chart name '${name}': a valid name must be lower case letters and numbers and MAY be separated with dashes (-), slashes (/) or periods (.)`,
  );
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
