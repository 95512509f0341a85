import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Figure, percentile } from "./figures.ts";

const run = promisify(execFile);
const runs = 5;
const size = 50 * 1024 * 1024;

/** A repository's index of 50 MB, YAML as helm writes it and JSON as ChartMuseum does: from the server to what is stored. */
export async function benchIndex(): Promise<Figure[]> {
  const texts = { YAML: Buffer.from(yamlIndex()), JSON: Buffer.from(jsonIndex()) };
  const server = createServer((request, response) => {
    response.end(request.url?.startsWith("/JSON/") ? texts.JSON : texts.YAML);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the repository has no port");
  try {
    const figures: Figure[] = [];
    for (const format of Object.keys(texts)) {
      const measured: Measured[] = [];
      while (measured.length < runs) measured.push(await measure(`http://127.0.0.1:${address.port}/${format}`));
      const median = (of: (one: Measured) => number) => percentile(measured.map(of), 0.5);
      figures.push(
        { name: `${format}, 50 MB: fetched`, value: median(({ fetch }) => fetch), unit: "s" },
        { name: `${format}, 50 MB: read and formatted`, value: median(({ parse }) => parse), unit: "s", atMost: 5 },
        { name: `${format}, 50 MB: peak memory`, value: median(({ peak }) => peak), unit: "MB", atMost: 512 },
        {
          name: `${format}, 50 MB: one chart of what is stored`,
          value: median(({ open }) => open),
          unit: "ms",
          atMost: 100,
        },
      );
    }
    return figures;
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

/** Seconds, milliseconds of `open`, and megabytes of `peak`. */
type Measured = { fetch: number; parse: number; open: number; peak: number };

async function measure(url: string): Promise<Measured> {
  const { stdout } = await run(process.execPath, [join(import.meta.dirname, "helm-index-process.ts"), url]);
  return JSON.parse(stdout);
}

function* versions(): Generator<{ name: string; version: string; hex: string }> {
  for (let chart = 0; ; chart++) {
    for (let number = 60; number > 0; number--) {
      const hex = (chart * 64 + number).toString(16).padStart(64, "0a1b2c3d");
      yield {
        name: `chart-${String(chart).padStart(5, "0")}`,
        version: `${Math.floor(number / 10)}.${number % 10}.${number}`,
        hex,
      };
    }
  }
}

function yamlIndex(): string {
  const parts = ["apiVersion: v1\nentries:\n"];
  const end = 'generated: "2024-05-05T10:20:30.123456789Z"\n';
  let length = parts.join("").length + end.length;
  let last = "";
  for (const { name, version, hex } of versions()) {
    const text = `${name === last ? "" : `  ${name}:\n`}  - annotations:
      artifacthub.io/changes: |
        - kind: fixed
          description: What was broken <here> & there
      category: Infrastructure
    apiVersion: v2
    appVersion: 1.${version}
    created: "2024-03-01T12:34:56.789012345Z"
    dependencies:
    - condition: database.enabled
      name: database
      repository: oci://registry.example.com/charts
      version: 17.x.x
    description: ${name} is an application that does things in a cluster for people
      who want it to do them there and nowhere else
    digest: ${hex}
    home: https://example.com/${name}
    icon: https://example.com/${name}.png
    keywords:
    - database
    - sql
    kubeVersion: '>= 1.19.0-0'
    maintainers:
    - email: someone@example.com
      name: Some One
    name: ${name}
    sources:
    - https://git.example.com/${name}
    type: application
    urls:
    - https://charts.example.com/${name}-${version}.tgz
    version: ${version}
`;
    if (length + text.length > size) break;
    length += text.length;
    parts.push(text);
    last = name;
  }
  return [...parts, end].join("");
}

function jsonIndex(): string {
  const charts: string[] = [];
  let length = 100;
  let current: { name: string; texts: string[] } | undefined;
  const close = () => {
    if (current !== undefined) charts.push(`"${current.name}":[${current.texts.join(",")}]`);
  };
  for (const { name, version, hex } of versions()) {
    const text = JSON.stringify({
      name,
      version,
      description: `${name} is an application that does things in a cluster for people`,
      apiVersion: "v2",
      appVersion: `1.${version}`,
      keywords: ["database", "sql"],
      maintainers: [{ name: "Some One", email: "someone@example.com" }],
      urls: [`charts/${name}-${version}.tgz`],
      created: "2024-03-01T12:34:56.789012345Z",
      digest: hex,
    });
    if (length + text.length > size) break;
    length += text.length + 2;
    if (current?.name !== name) {
      close();
      current = { name, texts: [] };
      length += name.length + 6;
    }
    current.texts.push(text);
  }
  close();
  return `{"apiVersion":"v1","entries":{${charts.join(",")}},"generated":"2024-05-05T10:20:30Z","serverInfo":{}}`;
}
