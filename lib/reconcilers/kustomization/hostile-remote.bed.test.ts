import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { uniqueName } from "../../../test/bed/bed.ts";
import { packOfBlobs, serveFalseRepository } from "../../../test/bed/git/false-repository.ts";
import { built, type RemoteServer, settingsOf, startRemoteServer } from "../../../test/bed/git/remote-server.ts";
import { artifactOf, configMap } from "../../kustomize/testdata/artifact-of.ts";
import { fetchRemote, withRemoteBases } from "./remote-bases.ts";

let server: RemoteServer;

beforeAll(async () => {
  server = await startRemoteServer();
});

afterAll(() => server?.stop());

beforeEach(() => server.forget());

/** What a build of this base gives or says. */
async function outcome(base: string): Promise<string> {
  return built({ "kustomization.yaml": { resources: [base] } }).then(({ objects }) => JSON.stringify(objects), String);
}

describe("KS-071: a server that means harm", () => {
  const signal = () => AbortSignal.timeout(30_000);

  it("KS-071: services of the machine are not reached, neither at once nor by a redirect", async () => {
    const redirect = (to: string) =>
      server.serve("x.yaml", (_, response) => response.writeHead(302, { location: to }).end());
    const metadata = "http://169.254.169.254/latest/meta-data/iam/security-credentials/";
    for (const url of [metadata, "http://[fd00:ec2::254]/latest", redirect(metadata), redirect(redirect(metadata))]) {
      const files = { "kustomization.yaml": { configMapGenerator: [{ name: "x", files: [`k=${url}`] }] } };
      await expect(built(files)).rejects.toThrow(/is not to be reached/);
      expect(await outcome(url)).toMatch(/is not to be reached/);
    }
    const path = `/${uniqueName("moved")}.git`;
    server.served.set(`${path}/info/refs?service=git-upload-pack`, (_, response) =>
      response.writeHead(302, { location: "https://169.254.169.254/x.git/info/refs?service=git-upload-pack" }).end(),
    );
    expect(await outcome(`${server.git.url}${path}`)).toMatch(/failed to fetch .*not to be reached/);
    for (const scheme of ["file:///proc/self/environ", "ftp://127.0.0.1/x"])
      expect(await outcome(redirect(scheme))).toMatch(/neither an http nor an https address/);
  });

  it("KS-071: an answer without an end, and a file beyond the limit", async () => {
    const chunk = Buffer.alloc(1024 * 1024, "a: b\n");
    const endless = server.serve("endless.yaml", (_, response) => {
      const more = () => {
        while (!response.destroyed && response.write(chunk));
        if (!response.destroyed) response.once("drain", more);
      };
      more();
    });
    expect(await fetchRemote({ type: "file", url: endless }, signal())).toMatchObject({
      type: "failure",
      reason: expect.stringMatching(/is larger than 16777216 bytes/),
    });
    const large = server.serve("large.yaml", (_, response) =>
      response.writeHead(200, { "content-length": 10_000_000_000 }).write("a"),
    );
    expect(await fetchRemote({ type: "file", url: large }, signal())).toMatchObject({ type: "failure" });
  });

  it("KS-071: a server that says nothing is left after the time that its address allows", async () => {
    const path = `/${uniqueName("silent")}.git`;
    server.served.set(`${path}/info/refs?service=git-upload-pack`, () => undefined);
    const started = Date.now();
    const told = await outcome(`${server.git.url}${path}?timeout=1s`);
    expect(told).toMatch(/failed to fetch .*: hit 1s timeout/);
    expect(Date.now() - started).toBeLessThan(15_000);
    const stopped = new AbortController();
    const context = { settings: settingsOf(), signal: stopped.signal };
    const files = { "kustomization.yaml": { resources: [`${server.git.url}${path}`] } };
    const resolving = withRemoteBases(artifactOf(files), {}, context);
    stopped.abort(new Error("time is over"));
    await expect(resolving).rejects.toThrow("time is over");
  });

  it("KS-071: a repository that is none, and a pack that unpacks to more than is allowed", async () => {
    const page = serveFalseRepository(server.git, { page: "<html>" });
    expect(await outcome(`${page}?ref=main`)).toMatch(/failed to fetch/);
    const bomb = serveFalseRepository(server.git, { pack: packOfBlobs(2000, 1024 * 1024 * 1024, Buffer.from("x")) });
    expect(await outcome(`${bomb}?ref=main`)).toMatch(/failed to fetch .*unpacks to more than/);
  });

  it("KS-071: bases that name themselves, and bases that never end", async () => {
    const own = await server.repository({ "kustomization.yaml": { resources: ["a.yaml"] }, "a.yaml": configMap("a") });
    await server.commit(own, { "kustomization.yaml": { resources: [own.url] } });
    const circle = await server.refusals({ "kustomization.yaml": { resources: [own.url] } });
    for (const text of [circle.own, circle.kustomize])
      expect(text).toMatch(/cycle detected: URI '.*' referenced by previous URI '.*'/);

    // Each names another one by an address that was not seen before.
    const endless = await server.repository({ "0/kustomization.yaml": { resources: [] } });
    await server.commit(
      endless,
      Object.fromEntries(
        Array.from({ length: 30 }, (_, n) => [
          `${n}/kustomization.yaml`,
          { resources: [`${endless.url}//${n + 1}?n=${n}`] },
        ]),
      ),
    );
    expect(await outcome(`${endless.url}//0`)).toMatch(/more than 8 repositories are named by one another/);

    const wide = Array.from({ length: 101 }, (_, n) => `${server.git.url}/files/${n}.yaml`);
    await expect(built({ "kustomization.yaml": { resources: wide } })).rejects.toThrow(
      /more than 100 remote bases and files/,
    );
  });

  it("KS-071: YAML that multiplies is refused in a remote file as it is in a local one", async () => {
    const levels = Array.from({ length: 30 }, (_, n) => `a${n + 1}: &a${n + 1} [*a${n}, *a${n}]`);
    const bomb = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\na0: &a0 [x]\n${levels.join("\n")}\n`;
    expect(await outcome(server.serve("bomb.yaml", bomb))).toMatch(/excessive aliasing/);
    const repository = await server.repository({
      "kustomization.yaml": { resources: ["bomb.yaml"] },
      "bomb.yaml": bomb,
    });
    expect(await outcome(repository.url)).toMatch(/excessive aliasing/);
  });

  it("KS-071: a remote that differs between two fetches is one thing within a build", async () => {
    let asked = 0;
    const url = server.serve("x.txt", (_, response) => response.end(String(++asked)));
    const generator = (name: string) => ({ name, files: [`k=${url}`] });
    const { objects } = await built({
      "kustomization.yaml": { resources: ["one", "two"], configMapGenerator: [generator("x")] },
      "one/kustomization.yaml": { configMapGenerator: [generator("y")] },
      "two/kustomization.yaml": { configMapGenerator: [generator("z")] },
    });
    expect(objects.map(({ data }) => data)).toEqual([{ k: "1" }, { k: "1" }, { k: "1" }]);
    expect(asked).toBe(1);
  });
});
