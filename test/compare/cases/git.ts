import type { Case } from "../case.ts";
import { gitRepository } from "../objects.ts";

const files = {
  "app/a.txt": "one\n",
  "app/run.sh": "#!/bin/sh\n",
  "apps/b.yaml": "b: 1\n",
  "logo.png": "picture",
  ".gitignore": "*.log\n",
  ".github/workflow.yaml": "on: push\n",
  "deploy/c.md": "c\n",
  "deploy/c.yaml": "c: 1\n",
  "README.md": "read\n",
};

/** GitRepositories that find what they look for, and what their artifacts hold. */
export const gitCases: readonly Case[] = [
  {
    name: "git references",
    play: async (stage, world) => {
      const repository = await world.repository("git-references", files);
      const first = (await repository.git(["rev-parse", "main"])).trim();
      const tagged = await repository.commit({ "b.txt": "two\n" }, { message: "Second\n\nbody", tag: "v1.0.0" });
      const subject = "A subject that is a good deal longer than the fifty characters that are told of it";
      await repository.commit({ "b.txt": "three\n" }, { message: subject, tag: "v1.1.0", annotated: true });
      await repository.commit({ "c.txt": "c\n" }, { branch: "feat/x@y", message: "On a branch" });
      await repository.git(["update-ref", "refs/pull/420/head", tagged]);
      const { url } = repository;
      const ref = (name: string, reference: Record<string, string>) => gitRepository(name, url, { ref: reference });
      await stage.apply(
        ref("branch", { branch: "main" }),
        ref("slashes", { branch: "feat/x@y" }),
        ref("tag", { tag: "v1.0.0" }),
        ref("annotated", { tag: "v1.1.0" }),
        ref("semver", { semver: "<1.1.0" }),
        ref("tag-and-semver", { tag: "v1.0.0", semver: ">=1.1.0" }),
        ref("pull", { name: "refs/pull/420/head" }),
        ref("peeled", { name: "refs/tags/v1.1.0^{}" }),
        ref("tag-by-name", { name: "refs/tags/v1.1.0" }),
        ref("head-by-name", { name: "refs/heads/main" }),
        ref("commit", { commit: first }),
        ref("commit-on-branch", { commit: tagged, branch: "main" }),
        ref("commit-and-name", { commit: tagged, name: "refs/heads/main" }),
      );
      await stage.look("created");
      await stage.request("GitRepository", "branch", "semver", "commit", "tag", "pull");
      await stage.look("unchanged");
    },
  },
  {
    name: "git content",
    play: async (stage, world) => {
      const { url, git } = await world.repository("git-content", files);
      await git(["update-index", "--help"]).catch(() => "");
      await stage.apply(
        gitRepository("whole", url),
        gitRepository("ignore", url, { ignore: "/*\n!/deploy\n/deploy/**/*.md\n" }),
        gitRepository("ignore-nothing", url, { ignore: "" }),
        gitRepository("sparse", url, { sparseCheckout: ["app", "./deploy"] }),
        gitRepository("sparse-absent", url, { sparseCheckout: ["absent"] }),
      );
      await stage.look("sources");
      await stage.apply(
        gitRepository("include", url, {
          sparseCheckout: ["app"],
          include: [
            { repository: { name: "whole" }, fromPath: "deploy", toPath: "included" },
            { repository: { name: "sparse" } },
          ],
        }),
      );
      await stage.look("created");
      await stage.apply(
        gitRepository("whole", url, { ignore: "*.md" }),
        gitRepository("sparse", url, { sparseCheckout: ["apps"] }),
      );
      // Sluice does not wait for the interval (SB-006).
      await stage.settle();
      await stage.request("GitRepository", "include");
      await stage.look("edited");
    },
  },
  {
    name: "git modes and links",
    play: async (stage, world) => {
      const repository = await world.repository("git-modes", {
        "a.txt": "a\n",
        "empty.txt": "",
        "dir/.sourceignore": "*.tmp\n",
        "dir/x.tmp": "x",
        "dir/y": "y",
      });
      const stream = [
        "commit refs/heads/main\nmark :1\ncommitter J <j@example.com> 1700000000 +0000\ndata 5\nModes\nfrom refs/heads/main^0\n",
        "M 100755 inline run.sh\ndata 10\n#!/bin/sh\n\n",
        "M 120000 inline link\ndata 5\na.txt\n",
        "M 120000 inline dirlink\ndata 3\ndir\n",
        'M 100644 inline "dir/\\303\\244 name.txt"\ndata 2\nn\n\n',
      ];
      await repository.git(["fast-import", "--quiet", "--force", "--date-format=raw"], stream.join(""));
      await stage.apply(
        gitRepository("modes", repository.url),
        gitRepository("ignored", repository.url, { ignore: "!*.tmp" }),
      );
      await stage.look("created");
    },
  },
  {
    name: "git submodules",
    play: async (stage, world) => {
      const library = await world.repository("git-library", { "lib.txt": "lib\n" });
      const commit = (await library.git(["rev-parse", "main"])).trim();
      const repository = await world.repository("git-submodules", { "a.txt": "a\n" });
      const modules = (url: string) => {
        const text = `[submodule "lib"]\n\tpath = vendor/lib\n\turl = ${url}\n`;
        return `M 100644 inline .gitmodules\ndata ${text.length}\n${text}\n`;
      };
      const head = (branch: string) =>
        `commit refs/heads/${branch}\ncommitter J <j@example.com> 1700000000 +0000\ndata 4\nLink\nfrom refs/heads/main^0\n`;
      const link = `M 160000 ${commit} vendor/lib\n`;
      await repository.git(
        ["fast-import", "--quiet", "--force"],
        head("relative") + modules("../git-library.git") + link,
      );
      await repository.git(["fast-import", "--quiet", "--force"], head("absolute") + modules(library.url) + link);
      await repository.git(
        ["fast-import", "--quiet", "--force"],
        head("broken") + modules("../git-nowhere.git") + link,
      );
      const on = (name: string, branch: string, recurseSubmodules = true) =>
        gitRepository(name, repository.url, { ref: { branch }, recurseSubmodules });
      await stage.apply(
        on("relative", "relative"),
        on("absolute", "absolute"),
        on("broken", "broken"),
        on("without", "relative", false),
      );
      await stage.look("created");
    },
  },
  {
    name: "git access",
    play: async (stage, world) => {
      await world.repository("git-access");
      const at = (server: { url: string }) => `${server.url}/git-access.git`;
      const { identity, knownHosts } = world.ssh;
      await stage.secret("basic", { username: "reader", password: "canary-4711" });
      await stage.secret("wrong", { username: "reader", password: "canary-wrong" });
      await stage.secret("user-alone", { username: "reader" });
      await stage.secret("empty", {});
      await stage.secret("ca", { "ca.crt": world.authority });
      await stage.secret("other-ca", { "ca.crt": world.otherAuthority });
      await stage.secret("no-ca", { "ca.crt": "nothing" });
      await stage.secret("old-ca", { caFile: world.authority });
      await stage.secret("ssh", { identity: identity.privateKey, known_hosts: knownHosts });
      await stage.secret("ssh-no-hosts", { identity: identity.privateKey });
      await stage.secret("ssh-no-key", { identity: "nothing", known_hosts: knownHosts });
      await stage.secret("ssh-other-host", {
        identity: identity.privateKey,
        known_hosts: knownHosts.replace(/ ssh-ed25519 \S+/, ` ${identity.publicKey.split(" ").slice(0, 2).join(" ")}`),
      });
      const secret = (name: string) => ({ secretRef: { name } });
      await stage.apply(
        gitRepository("basic", at(world.private), secret("basic")),
        gitRepository("wrong", at(world.private), secret("wrong")),
        gitRepository("anonymous", at(world.private)),
        gitRepository("user-alone", at(world.private), secret("user-alone")),
        gitRepository("empty-secret", at(world.private), secret("empty")),
        gitRepository("no-secret", at(world.private), secret("absent")),
        gitRepository("secure", at(world.secure), secret("ca")),
        gitRepository("secure-old", at(world.secure), secret("old-ca")),
        gitRepository("secure-without", at(world.secure)),
        gitRepository("secure-other", at(world.secure), secret("other-ca")),
        gitRepository("secure-broken", at(world.secure), secret("no-ca")),
        gitRepository("ssh", world.ssh.url("git-access"), secret("ssh")),
        gitRepository("ssh-without", world.ssh.url("git-access")),
        gitRepository("ssh-no-hosts", world.ssh.url("git-access"), secret("ssh-no-hosts")),
        gitRepository("ssh-no-key", world.ssh.url("git-access"), secret("ssh-no-key")),
        gitRepository("ssh-other-host", world.ssh.url("git-access"), secret("ssh-other-host")),
        gitRepository("ssh-absent", world.ssh.url("git-nowhere"), secret("ssh")),
      );
      await stage.look("created");
    },
  },
];
