import type { Case } from "../case.ts";
import { gitRepository } from "../objects.ts";

/** GitRepositories that do not find what they look for, and what they say when they do. */
export const gitFailureCases: readonly Case[] = [
  {
    name: "git failures",
    play: async (stage, world) => {
      const { url } = await world.repository("git-failures");
      const empty = await world.git.repository("git-empty");
      await stage.secret("app", { githubAppID: "1", githubAppPrivateKey: "key", githubAppInstallationID: "2" });
      await stage.secret("plain", { username: "reader", password: "canary-4711" });
      await stage.secret("proxy", { address: "ftp://127.0.0.1:1" });
      await stage.secret("proxy-empty", {});
      const ref = (name: string, reference: Record<string, string>) => gitRepository(name, url, { ref: reference });
      await stage.apply(gitRepository("good", url));
      await stage.settle();
      await stage.apply(
        gitRepository("no-branch", url, { ref: { branch: "absent" } }),
        ref("no-tag", { tag: "absent" }),
        ref("no-match", { semver: ">=9.0.0" }),
        ref("no-range", { semver: "nonsense" }),
        ref("no-commit", { commit: "0123456789012345678901234567890123456789" }),
        ref("no-commit-on-branch", { commit: "0123456789012345678901234567890123456789", branch: "main" }),
        ref("short-commit", { commit: "0123456" }),
        ref("no-name", { name: "refs/heads/absent" }),
        ref("slash-name", { name: "/refs/heads/main" }),
        { ...gitRepository("master", url), spec: { url, interval: "1h" } },
        gitRepository("empty", empty.url),
        gitRepository("absent", `${world.git.url}/git-nowhere.git`),
        gitRepository("refused", "http://127.0.0.1:1/a.git"),
        gitRepository("no-host", "https://nowhere.invalid/a.git"),
        gitRepository("bad-url", "https://[::1"),
        gitRepository("scp", "git@github.com:org/repository.git"),
        gitRepository("bad-interval", url, { interval: "1d" }),
        gitRepository("github-without", url, { provider: "github" }),
        gitRepository("github-plain", url, { provider: "github", secretRef: { name: "plain" } }),
        gitRepository("app-elsewhere", url, { secretRef: { name: "app" } }),
        gitRepository("aws", url, { provider: "aws" }),
        gitRepository("account", "https://dev.azure.com/a/b/_git/c", {
          provider: "azure",
          serviceAccountName: "default",
        }),
        gitRepository("account-generic", url, { serviceAccountName: "default" }),
        gitRepository("proxy", url, { proxySecretRef: { name: "proxy" } }),
        gitRepository("proxy-empty", url, { proxySecretRef: { name: "proxy-empty" } }),
        gitRepository("proxy-absent", url, { proxySecretRef: { name: "absent" } }),
        gitRepository("includes-absent", url, { include: [{ repository: { name: "nowhere" } }] }),
        gitRepository("includes-failed", url, { include: [{ repository: { name: "no-branch" } }] }),
        gitRepository("includes-outside", url, {
          include: [{ repository: { name: "good" }, fromPath: "../../../etc" }],
        }),
        gitRepository("includes-nothing", url, { include: [{ repository: { name: "good" }, fromPath: "nothing" }] }),
        gitRepository("includes-occupied", url, { include: [{ repository: { name: "good" }, toPath: "app" }] }),
      );
      await stage.look("created");
      await stage.request("GitRepository", "no-branch", "includes-outside", "includes-occupied");
      await stage.look("requested");
    },
  },
  {
    name: "git life",
    play: async (stage, world) => {
      const repository = await world.repository("git-life");
      const { url } = repository;
      const all = ["moving", "annotated", "breaking"];
      await stage.apply(
        gitRepository("moving", url),
        gitRepository(
          "annotated",
          url,
          {},
          { annotations: { "event.toolkit.fluxcd.io/team": "blue" }, labels: { a: "b" } },
        ),
        gitRepository("breaking", url),
        gitRepository("suspended", url, { suspend: true }),
      );
      await stage.look("created");
      await stage.request("GitRepository", ...all, "suspended");
      await stage.look("unchanged");
      await repository.commit({ "app/a.txt": "two\n" }, { message: "A change\n\nof much" });
      await stage.request("GitRepository", ...all);
      await stage.look("changed");
      await stage.apply(gitRepository("breaking", `${world.git.url}/git-nowhere.git`));
      await stage.look("broken");
      await stage.apply(gitRepository("breaking", url));
      await stage.look("mended");
      await stage.apply(gitRepository("breaking", url, { ref: { branch: "absent" } }));
      await stage.look("without its branch");
      await repository.commit({ "b.txt": "b\n" }, { branch: "absent", message: "There it is" });
      await stage.request("GitRepository", "breaking");
      await stage.look("with its branch");
      await stage.apply(gitRepository("suspended", url));
      await stage.look("resumed");
      await stage.apply(gitRepository("suspended", url, { suspend: true }));
      await stage.look("suspended");
      await stage.remove("GitRepository", "moving");
      await stage.remove("GitRepository", "suspended");
      await stage.look("deleted");
      await stage.apply(gitRepository("moving", url));
      await stage.look("made again");
    },
  },
  {
    name: "git stalled",
    play: async (stage, world) => {
      const { url } = await world.repository("git-stalled");
      await stage.apply(gitRepository("stalling", "https://[::1"), gitRepository("later", url, { provider: "github" }));
      await stage.look("stalled");
      await stage.request("GitRepository", "stalling");
      await stage.look("requested");
      await stage.apply(gitRepository("stalling", url), gitRepository("later", url));
      await stage.look("mended");
      await stage.apply(gitRepository("later", url, { provider: "github" }));
      await stage.look("stalled with an artifact");
    },
  },
];
