import { crc32, deflateRawSync } from "node:zlib";
import { pack } from "tar-stream";
import { formatGoYaml } from "../text/go-yaml.ts";
import { lock, metadata } from "./index-shape.ts";
import type { Chart } from "./load.ts";
import { plainStruct } from "./metadata.ts";

/** The mark that Helm puts into the extra field of its archives (RFC 1952, 2.3.1.1). */
const helmMark = Buffer.from("+aHR0cHM6Ly95b3V0dS5iZS96OVV6MWljandyTQo=");
/** ART-009: nothing of the time of packaging, so that the same chart gives the same bytes. Helm puts the clock's here. */
const noTime = new Date(0);
/** Part of what digests rest on, as zlib itself: never change it without need. */
const level = 6;

/**
 * Packages a chart as `helm package` does (HC-045): `Chart.yaml` written anew, the lock file, values, schema, templates, other files,
 * then the charts within it in the same order, all below a directory with the chart's name. Always the same bytes for the
 * same chart. Throws where the schema is no JSON, or a name would lead out of
 * its directory.
 */
export async function packageChart(chart: Chart): Promise<Buffer> {
  const archive = pack();
  const parts: Buffer[] = [];
  const collected = (async () => {
    for await (const part of archive) if (Buffer.isBuffer(part)) parts.push(part);
  })();
  for (const { name, content } of filesOf(chart, chart.metadata.name))
    archive.entry({ name, mode: 0o644, mtime: noTime, size: content.length, type: "file" }, content);
  archive.finalize();
  await collected;
  return gzipAsHelm(Buffer.concat(parts));
}

function* filesOf(chart: Chart, base: string): Generator<{ name: string; content: Buffer }> {
  const { apiVersion, dependencies, ...others } = chart.metadata;
  // API v1 keeps them in requirements.yaml.
  const written = apiVersion === "v1" ? { apiVersion, ...others } : chart.metadata;
  yield { name: `${base}/Chart.yaml`, content: Buffer.from(formatGoYaml(plainStruct(written, metadata))) };
  if (apiVersion === "v2" && chart.lock !== undefined)
    yield { name: `${base}/Chart.lock`, content: Buffer.from(formatGoYaml(plainLock(chart.lock))) };
  if (chart.valuesFile !== undefined) yield { name: `${base}/values.yaml`, content: chart.valuesFile };
  if (chart.schema !== undefined) {
    checkSchema(chart.schema);
    yield { name: `${base}/values.schema.json`, content: chart.schema };
  }
  for (const { name, content } of [...chart.templates, ...chart.files]) yield { name: `${base}/${name}`, content };
  for (const dependency of chart.dependencies) {
    const directory = dependency.directory ?? dependency.metadata.name;
    if (directory === "" || directory === "." || directory === ".." || /[/\\]/.test(directory))
      throw new Error(`${JSON.stringify(directory)} is not a valid chart name`);
    yield* filesOf(dependency, `${base}/charts/${directory}`);
  }
}

function plainLock(value: Chart["lock"]): Record<string, unknown> {
  const plain = plainStruct(value ?? {}, lock);
  return { ...plain, generated: plain.generated ?? "0001-01-01T00:00:00Z" };
}

function checkSchema(schema: Buffer): void {
  try {
    JSON.parse(schema.toString("utf8"));
  } catch (cause) {
    throw new Error("invalid JSON in values.schema.json", { cause });
  }
}

/** A gzip file with Helm's extra field and comment, without a time and a system (RFC 1952, 2.3). */
function gzipAsHelm(content: Buffer): Buffer {
  const header = Buffer.from([0x1f, 0x8b, 8, 0x04 | 0x10, 0, 0, 0, 0, 0, 255, helmMark.length, 0]);
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(content), 0);
  trailer.writeUInt32LE(content.length, 4);
  return Buffer.concat([header, helmMark, Buffer.from("Helm\0"), deflateRawSync(content, { level }), trailer]);
}
