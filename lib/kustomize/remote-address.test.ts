import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, posix } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseRepository } from "./remote-address.ts";
import { kustomizeItself } from "./testdata/kustomize-itself.ts";

let directory: string;

/** A git that writes down what it is told and has nothing to show. */
const git = `#!/bin/sh\nprintf '%s\\t' "$@" >> "$GIT_LOG"; echo >> "$GIT_LOG"\n`;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-address-"));
  await writeFile(join(directory, "git"), git);
  await chmod(join(directory, "git"), 0o755);
});
afterAll(() => rm(directory, { recursive: true }));

/** What kustomize itself asks git for, and where in the clone it looks; undefined where it asks for nothing. */
async function asked(address: string): Promise<object | undefined> {
  const log = join(directory, "log");
  await writeFile(log, "");
  // A component is never asked for as a file, so nothing goes to the network.
  const kustomization = { components: [address] };
  const environment = { PATH: `${directory}:/usr/bin:/bin`, GIT_LOG: log };
  const printed = await kustomizeItself({ "kustomization.yaml": kustomization }, ".", environment);
  const told = await readFile(log, "utf8");
  const [, url, ref] = /^fetch\t--depth=1\t(.*)\t(.*)\t$/m.exec(told) ?? [];
  if (url === undefined) return undefined;
  const error = "error" in printed ? printed.error : "";
  const [, path = ""] = /kustomize-\d+\/?([^"' \\]*)/.exec(error) ?? [];
  return { url, ref, path, submodules: told.includes("submodule\tupdate") };
}

function parsed(address: string): object | undefined {
  const found = parseRepository(address);
  if (found === undefined) return undefined;
  const path = posix.join("/", found.path).slice(1).replace(/\/$/, "");
  return { url: found.url, ref: found.ref || "HEAD", path, submodules: found.submodules };
}

describe("KS-071: addresses of repositories, read as kustomize reads them", () => {
  it.each([
    "https://git.test/org/repo",
    "https://git.test/org/repo/",
    "https://git.test/org/repo/some/dir",
    "https://git.test/org/repo//some/dir?ref=v1.0.0",
    "https://git.test/a/b/c/repo//x",
    "https://git.test/a/b/c/repo.git/x/y?ref=group/branch",
    "https://git.test/org/repo.git?version=v1",
    "https://git.test/org/repo.git?version=v1&ref=v2",
    "https://git.test/org/repo?ref=a%2Fb",
    "https://git.test/org/repo?ref=a+b",
    "https://git.test/org/repo?ref=v1;x=1",
    "https://git.test/org/repo?ref=%zz",
    "https://git.test/org/repo?ref=v1&submodules=false",
    "https://git.test/org/repo?submodules=0",
    "https://git.test/org/repo?submodules=no",
    "https://git.test:8443/org/repo.git//x/../y",
    "https://git.test/org/repo.git//x/../../y",
    "HTTPS://git.test/org/repo",
    "http://git.test/org/repo.git",
    "https://jane@git.test/org/repo.git",
    "https://jane:secret@git.test/org/repo.git//x",
    "https://git.test",
    "https://git.test/",
    "https://git.test/file.yaml",
    "https://git.test/collection/project/_git/repo/some/dir?version=v1",
    "https://github.com/org/repo/dir?ref=main",
    "http://github.com/org/repo.git/dir",
    "hTTps://gitHub.com/org/repo",
    "github.com/org/repo/dir",
    "github.com:org/repo",
    "GitHub.com/org/repo.git//dir",
    "https://github.com/this.yaml",
    "git@github.com:org/repo.git//dir?ref=x",
    "git@github.com/org/repo",
    "org-12345@github.com:org/repo",
    "ssh://git@github.com/org/repo//dir?ref=v1",
    "git@git.test:group/sub/repo.git?ref=v0.1.0",
    "git@git.test:org/repo//dir",
    "git@git.test/org/repo.git//dir",
    "ssh://git.test:7999/org/repo/dir",
    "ssh://git.test",
    "git::https://git.test/org/repo.git//x?ref=v1",
    "git::git@github.com:org/repo",
    "git::___",
    "GIT::https://git.test/org/repo",
    "file:///srv/repo//dir?ref=x",
    "file:///srv/repo",
    "file:////srv//x",
    "gh:org/repo",
    "gitlab.com/org/repo",
    "../base",
    "src/github.com/org/repo",
    "git@scp://github.com/org/repo.git//path",
    "ftp://git.test/org/repo",
    "?ref=x",
    "https://git.test/org/repo?ref=",
    "1a@git.test:org/repo",
    "a.b@git.test:org/repo",
  ])("%s", async (address) => {
    expect(parsed(address)).toEqual(await asked(address));
  });

  it.each([
    ["61", 61_000],
    ["61s", 61_000],
    ["1m30s", 90_000],
    ["0", 27_000],
    ["-5s", 27_000],
    ["soon", 27_000],
    ["", 27_000],
  ])("takes a timeout of %o as %i ms", (timeout, milliseconds) => {
    expect(parseRepository(`https://git.test/org/repo?timeout=${timeout}`)).toMatchObject({ milliseconds });
  });
});
