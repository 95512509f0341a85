import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { basicHeader, type ChartRepositoryServer, startChartRepository } from "../../test/bed/chart-repository.ts";
import { chooseVersion } from "./chart-version.ts";
import { chartUrl, downloadChart, fetchIndex, indexUrl } from "./download.ts";
import { parseIndex } from "./helm-index.ts";
import type { ChartRepository } from "./repository.ts";

const size = 52_428_800;
const limit = 10_485_760;
const credentials = { username: "ada", password: "correct horse" };
const within = (milliseconds: number) => AbortSignal.timeout(milliseconds);

describe("a repository of charts over HTTPS", () => {
  let own: ChartRepositoryServer;
  let other: ChartRepositoryServer;
  let both: string;

  const repository = (more: Partial<ChartRepository> = {}): ChartRepository => ({
    url: `${own.url}/charts`,
    outbound: { tls: { certificateAuthority: both } },
    passCredentials: false,
    credentials,
    ...more,
  });

  beforeAll(async () => {
    other = await startChartRepository();
    own = await startChartRepository({ basic: credentials });
    both = `${own.certificateAuthority}\n${other.certificateAuthority}`;
    await own.publish("app", "1.0.0");
    await own.publish("app", "1.1.0");
    await other.publish("app", "1.0.0");
  });
  afterAll(async () => {
    await own.stop();
    await other.stop();
  });

  it("HR-002, HC-014, HC-016: reads the index that helm writes and downloads the chart that it names, byte for byte", async () => {
    const fetched = await fetchIndex(repository(), {}, size, within(5000));
    const entry = chooseVersion(parseIndex(fetched?.bytes ?? Buffer.alloc(0), { size }), "app", ">=1.0.0 <2.0.0");
    expect(entry).toMatchObject({ name: "app", version: "1.1.0", urls: ["app-1.1.0.tgz"] });
    const chart = await downloadChart(repository(), entry, limit, within(5000));
    expect(createHash("sha256").update(chart).digest("hex")).toBe(entry.digest);
    await expect(downloadChart(repository(), entry, chart.length - 1, within(5000))).rejects.toThrow(
      `size of chart 'app' exceeds ${chart.length - 1} bytes limit`,
    );
  });

  it("HR-002, HC-014: keeps path, encoding and query of the repository's URL, whatever slashes end it", () => {
    expect(indexUrl("https://host/a%2Fb//?token=x").href).toBe("https://host/a%2Fb/index.yaml?token=x");
    expect(indexUrl("https://host").href).toBe("https://host/index.yaml");
    expect(chartUrl("https://host/a%2Fb?token=x", "charts/app-1.tgz").href).toBe(
      "https://host/a%2Fb/charts/app-1.tgz?token=x",
    );
    expect(chartUrl("https://host/a/?token=x", "https://cdn/app-1.tgz?y=1").href).toBe("https://cdn/app-1.tgz?y=1");
    expect(chartUrl("https://host/a", "/app-1.tgz").href).toBe("https://host/app-1.tgz");
  });

  it("HC-014: refuses a version without an address", async () => {
    const entry = { name: "app", urls: null };
    await expect(downloadChart(repository(), entry, limit, within(5000))).rejects.toThrow(
      "chart 'app' has no downloadable URLs",
    );
  });

  it("HR-010: sends credentials to the repository's own host and port alone, to others where that is asked for", async () => {
    const entry = { name: "app", urls: [`${other.url}/app-1.0.0.tgz`] };
    other.requests.length = 0;
    await downloadChart(repository(), entry, limit, within(5000));
    await downloadChart(repository({ passCredentials: true }), entry, limit, within(5000));
    expect(other.requests.map(({ authorization }) => authorization)).toEqual([undefined, basicHeader(credentials)]);
  });

  it("HR-010: leaves credentials behind where a redirect leads to another host", async () => {
    own.intercept = (request, response) => {
      if (!request.url?.includes("moved")) return false;
      response.writeHead(302, { location: `${other.url}/app-1.0.0.tgz` }).end();
      return true;
    };
    other.requests.length = 0;
    for (const passCredentials of [false, true]) {
      const moved = { name: "app", urls: [`${own.url}/moved.tgz`] };
      await downloadChart(repository({ passCredentials }), moved, limit, within(5000));
    }
    expect(other.requests.map(({ authorization }) => authorization)).toEqual([undefined, undefined]);
  });

  it("HR-010: keeps them where a redirect leads to another path of the same host", async () => {
    own.intercept = (request, response) => {
      if (!request.url?.includes("elsewhere")) return false;
      response.writeHead(307, { location: "/charts/app-1.0.0.tgz?signed=1" }).end();
      return true;
    };
    own.requests.length = 0;
    const withUser = repository({ url: own.url.replace("//", "//ada:correct%20horse@") });
    const { credentials: _, ...bare } = withUser;
    for (const one of [repository(), bare])
      await downloadChart(one, { name: "app", urls: ["elsewhere.tgz"] }, limit, within(5000));
    expect(own.requests.map(({ path, status, authorization }) => [path, status, authorization])).toEqual([
      ["/charts/elsewhere.tgz", 307, basicHeader(credentials)],
      ["/charts/app-1.0.0.tgz?signed=1", 200, basicHeader(credentials)],
      ["/elsewhere.tgz", 307, basicHeader(credentials)],
      ["/charts/app-1.0.0.tgz?signed=1", 200, basicHeader(credentials)],
    ]);
  });

  it("refuses addresses of the machine's own services, named by an index or a redirect, and endless redirects", async () => {
    const metadata = "http://169.254.169.254/latest/meta-data/iam/";
    own.intercept = (request, response) => {
      if (request.url?.includes("steal")) response.writeHead(302, { location: metadata }).end();
      else if (request.url?.includes("loop")) response.writeHead(302, { location: request.url }).end();
      else return false;
      return true;
    };
    const download = (url: string) => downloadChart(repository(), { name: "app", urls: [url] }, limit, within(5000));
    await expect(download(metadata)).rejects.toThrow("is not to be reached");
    await expect(download("steal.tgz")).rejects.toThrow("is not to be reached");
    await expect(download("http://[fd00:ec2::254]/x")).rejects.toThrow("is not to be reached");
    await expect(download("loop.tgz")).rejects.toThrow("stopped after 10 redirects");
    await expect(download("file:///etc/passwd")).rejects.toThrow('unsupported protocol scheme "file"');
    await expect(download("oci://host/app")).rejects.toThrow('unsupported protocol scheme "oci"');
  });

  it("HR-006, SEC-012: says what was answered, and shows neither a query nor who asked", async () => {
    const secret = repository({
      url: `${own.url.replace("//", "//eve:canary@")}/x/?token=canary`,
      credentials: { ...credentials, password: "canary" },
    });
    await expect(fetchIndex(secret, {}, size, within(5000))).rejects.toThrow(
      `failed to fetch ${own.url}/x/index.yaml : 401 Unauthorized`,
    );
    own.intercept = (_, response) => response.writeHead(404).end() !== undefined;
    await expect(fetchIndex(secret, {}, size, within(5000))).rejects.toThrow(
      `failed to fetch ${own.url}/x/index.yaml : 404 Not Found`,
    );
  });

  it("HR-007, ART-019: reads no more than the limit, packed for the way or not, whatever length the server says", async () => {
    const told = "index exceeds the maximum index file size of 1048576 bytes";
    const large = Buffer.alloc(2 * 1024 * 1024, 0x20);
    let headers: Record<string, string | number> = {};
    let body = large;
    own.intercept = (_, response) => {
      response.writeHead(200, headers);
      response.end(body);
      return true;
    };
    await expect(fetchIndex(repository(), {}, 1024 * 1024, within(5000))).rejects.toThrow(told);
    headers = { "content-length": large.length };
    await expect(fetchIndex(repository(), {}, 1024 * 1024, within(5000))).rejects.toThrow(told);
    body = gzipSync(large);
    headers = { "content-encoding": "gzip", "content-length": body.length };
    await expect(fetchIndex(repository(), {}, 1024 * 1024, within(5000))).rejects.toThrow(told);
    const fetched = await fetchIndex(repository(), {}, 4 * 1024 * 1024, within(5000));
    expect(fetched?.bytes.equals(large)).toBe(true);
    body = body.subarray(0, body.length - 100);
    headers = { "content-encoding": "gzip", "content-length": body.length };
    await expect(fetchIndex(repository(), {}, size, within(5000))).rejects.toThrow();
  });

  it("ends with the time there is, however slowly a server speaks or how much it has to say", async () => {
    own.intercept = (_, response) => {
      response.writeHead(200);
      const drip = setInterval(() => response.write(" "), 50);
      response.once("close", () => clearInterval(drip));
      return true;
    };
    const begun = performance.now();
    await expect(fetchIndex(repository(), {}, size, within(400))).rejects.toThrow();
    own.intercept = () => true;
    await expect(fetchIndex(repository(), {}, size, within(400))).rejects.toThrow();
    expect(performance.now() - begun).toBeLessThan(5000);
    own.intercept = (_, response) => {
      response.writeHead(200);
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536, 0x20)));
        response.once("drain", more);
      };
      more();
      return true;
    };
    await expect(fetchIndex(repository(), {}, 8 * 1024 * 1024, within(10_000))).rejects.toThrow(
      "maximum index file size",
    );
  });
});
