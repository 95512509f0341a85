import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startGitServer } from "../../../test/bed/git/git-server.ts";
import {
  built,
  type Files,
  namesOf,
  type RemoteServer,
  settingsOf,
  startRemoteServer,
} from "../../../test/bed/git/remote-server.ts";
import { build } from "../../kustomize/build.ts";
import { artifactOf, configMap } from "../../kustomize/testdata/artifact-of.ts";
import { withRemoteBases } from "./remote-bases.ts";

let server: RemoteServer;

beforeAll(async () => {
  server = await startRemoteServer();
});

afterAll(() => server?.stop());

beforeEach(() => server.forget());

describe("KS-071: when nothing can be fetched", () => {
  it("KS-071: --no-remote-bases refuses repositories and files, and asks nobody", async () => {
    const repository = await server.repository({
      "kustomization.yaml": { resources: ["a.yaml"] },
      "a.yaml": configMap("a"),
    });
    const forbidding = settingsOf("--no-remote-bases=true");
    const context = { settings: forbidding, signal: AbortSignal.timeout(10_000) };
    for (const kustomization of [
      { resources: [repository.url] },
      { resources: [server.serveObject("a.yaml", configMap("a"))] },
      { components: ["git@github.com:org/repo"] },
      { configMapGenerator: [{ name: "x", files: [server.serve("x.txt", "x")] }] },
    ]) {
      for (const files of [
        { "kustomization.yaml": kustomization },
        { "kustomization.yaml": { resources: ["base"] }, "base/kustomization.yaml": kustomization },
      ]) {
        const { artifact, remotes } = await withRemoteBases(artifactOf(files), {}, context);
        await expect(build(artifact, {})).rejects.toThrow(
          /^kustomize build failed: .*fs-security-constraint abs (.*): path '\1' is not in or below the root/,
        );
        expect(remotes).toEqual([]);
      }
    }
    expect(server.git.requests).toEqual([]);
  });

  it("KS-071, KS-075: a file that is not there, a page that is none, a repository that is none, a directory that is none", async () => {
    const repository = await server.repository({
      "kustomization.yaml": { resources: ["a.yaml"] },
      "a.yaml": configMap("a"),
    });
    const missing = (request: IncomingMessage, response: ServerResponse) => {
      request.resume();
      response.writeHead(404).end("nothing");
    };
    server.served.set("/none.yaml", missing);
    const cases: [Files, RegExp, RegExp][] = [
      [
        { "kustomization.yaml": { resources: [`${server.git.url}/none.yaml`] } },
        /accumulating resources: accumulating resources from '.*none.yaml': HTTP Error: status code 404 \(Not Found\)$/,
        /accumulating resources: accumulating resources from '.*none.yaml': HTTP Error: status code 404 \(Not Found\)$/,
      ],
      [
        { "kustomization.yaml": { resources: [server.serve("page.html", "<!DOCTYPE html><p>a: b</p>")] } },
        /MalformedYAMLError|missing Resource metadata|invalid Kustomization|cannot unmarshal/,
        /MalformedYAMLError|missing Resource metadata|invalid Kustomization|cannot unmarshal/,
      ],
      [
        { "kustomization.yaml": { resources: [`${server.git.url}/no/such.git`] } },
        /accumulation err='accumulating resources from '.*such.git': URL is a git repository': failed to fetch/,
        /accumulation err='accumulating resources from '.*such.git': URL is a git repository': failed to run/,
      ],
      [
        { "kustomization.yaml": { resources: [`${repository.url}//none`] } },
        /lstat .*\/none: no such file or directory/,
        /lstat .*\/none: no such file or directory/,
      ],
      [
        { "kustomization.yaml": { resources: [`${repository.url}//a.yaml`] } },
        /a.yaml' refers to .*file.*; expecting directory/,
        /a.yaml' refers to .*file.*; expecting directory/,
      ],
      [
        { "kustomization.yaml": { configMapGenerator: [{ name: "x", files: [`${server.git.url}/none.yaml`] }] } },
        /HTTP Error: status code 404 \(Not Found\)$/,
        /HTTP Error: status code 404 \(Not Found\)/,
      ],
      [
        { "kustomization.yaml": { components: [`${server.git.url}/none.yaml`] } },
        /is no address of a repository/,
        /must build at directory|not a valid directory/,
      ],
      [
        { "kustomization.yaml": { resources: ["git@127.0.0.1:org/repo"] } },
        /repositories are fetched over https and http alone/,
        /failed to run '.*git fetch/,
      ],
    ];
    for (const [files, ownText, kustomizeText] of cases) {
      const { own, kustomize } = await server.refusals(files);
      expect(kustomize).toMatch(kustomizeText);
      expect(own).toMatch(/^BuildFailed: kustomize build failed: /);
      expect(own).toMatch(ownText);
    }
  });

  it("KS-071: what is wrong in a base is told by its address, without what may be secret", async () => {
    const repository = await server.repository({ "app/kustomization.yaml": { resources: ["none.yaml"] } });
    const url = repository.url.replace("https://", "https://jane:s3cret@");
    const { own } = await server.refusals({
      "kustomization.yaml": { resources: [`${url}//app?token=s3cret&timeout=20s`] },
    });
    expect(own).toContain("none.yaml");
    expect(own).toContain(`recursed accumulation`);
    expect(own).toMatch(/'https:\/\/\*\*\*@127.0.0.1:\d+\/base-[^/]*\.git\/\/app\?\*\*\*&timeout=20s'/);
    expect(own).not.toMatch(/s3cret|\.remote-|sluice-build/);
  });

  it("KS-071: a password in an address is shown to the server, and to nobody else", async () => {
    const locked = await startGitServer({
      directory: join(server.directory, "locked"),
      basic: { username: "jane", password: "s3cret" },
    });
    try {
      const repository = await locked.repository("private");
      await server.commit(repository, { "kustomization.yaml": { resources: ["a.yaml"] }, "a.yaml": configMap("a") });
      const withPassword = repository.url.replace("http://", "http://jane:s3cret@");
      const own = await server.builtAlike({ "kustomization.yaml": { resources: [withPassword] } });
      expect(namesOf(own)).toEqual(["a"]);
      // kustomize would note it on the object.
      const noting = { resources: [withPassword], buildMetadata: ["originAnnotations"] };
      const [object] = (await built({ "kustomization.yaml": noting })).objects;
      expect(object?.metadata.annotations).toEqual({
        "config.kubernetes.io/origin": `path: notCloned/a.yaml\nrepo: ${repository.url}\n`,
      });
      // What a pass stores to compare later.
      expect(own.remotes).toHaveLength(1);
      expect(JSON.stringify(own.remotes)).not.toContain("s3cret");
      const refused = await server.refusals({ "kustomization.yaml": { resources: [repository.url] } });
      expect(refused.own).toMatch(/failed to fetch '.*private.git': authentication/);
    } finally {
      await locked.stop();
    }
  });
});
