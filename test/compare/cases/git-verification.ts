import { openSigningRepository } from "../../bed/git/signers.ts";
import type { Case } from "../case.ts";
import { gitRepository } from "../objects.ts";

/** GitRepositories whose commits and tags are verified. */
export const gitVerificationCases: readonly Case[] = [
  {
    name: "git verification",
    play: async (stage, world) => {
      const signing = await openSigningRepository();
      try {
        const pgp = await signing.pgpKey("jane");
        const ssh = await signing.sshKey("ssh", "ed25519");
        const other = await signing.sshKey("other", "ed25519");
        const { url, directory } = await world.git.repository("git-verification");
        await signing.git(["config", "user.signingkey", pgp.id]);
        await signing.git(["commit", "--quiet", "-S", "-m", "Signed by PGP"]);
        await signing.git(["tag", "-s", "-m", "signed", "v1.0.0"]);
        await signing.git(["tag", "v1.0.1"]);
        await signing.git(["tag", "-a", "-m", "unsigned", "v1.0.2"]);
        const config = ["-c", "gpg.format=ssh", "-c", `user.signingkey=${ssh.path}`];
        await signing.git([...config, "commit", "--quiet", "--allow-empty", "-S", "-m", "Signed by SSH"]);
        await signing.git([...config, "tag", "-s", "-m", "signed", "v2.0.0"]);
        await signing.git(["branch", "ssh"]);
        await signing.git(["commit", "--quiet", "--allow-empty", "--no-gpg-sign", "-m", "Unsigned"]);
        await signing.git(["push", "--quiet", "--mirror", directory]);
        await stage.secret("pgp", { "jane.asc": pgp.ring });
        await stage.secret("ssh", { "ssh.sshpub": ssh.line });
        await stage.secret("both", { "jane.asc": pgp.ring, "ssh.sshpub": ssh.line });
        await stage.secret("other", { "other.sshpub": other.line });
        await stage.secret("broken", { "broken.asc": "nothing" });
        await stage.secret("none", {});
        const verified = (name: string, ref: Record<string, string>, secret: string, mode?: string) =>
          gitRepository(name, url, {
            ref,
            verify: { secretRef: { name: secret }, ...(mode === undefined ? {} : { mode }) },
          });
        await stage.apply(
          verified("pgp-head", { tag: "v1.0.0" }, "pgp", "HEAD"),
          verified("pgp-old-head", { tag: "v1.0.0" }, "pgp", "head"),
          verified("pgp-tag", { tag: "v1.0.0" }, "pgp", "Tag"),
          verified("pgp-tag-and-head", { tag: "v1.0.0" }, "pgp", "TagAndHEAD"),
          verified("pgp-default", { name: "refs/tags/v1.0.0" }, "both"),
          verified("ssh-head", { branch: "ssh" }, "ssh", "HEAD"),
          verified("ssh-tag", { semver: ">=2.0.0" }, "both", "TagAndHEAD"),
          verified("other-key", { branch: "ssh" }, "other", "HEAD"),
          verified("no-ssh-key", { branch: "ssh" }, "pgp", "HEAD"),
          verified("no-pgp-key", { tag: "v1.0.0" }, "ssh", "HEAD"),
          verified("broken-key", { tag: "v1.0.0" }, "broken", "HEAD"),
          verified("empty-secret", { tag: "v1.0.0" }, "none", "HEAD"),
          verified("no-secret", { tag: "v1.0.0" }, "absent", "HEAD"),
          verified("unsigned", { branch: "main" }, "both", "HEAD"),
          verified("lightweight", { tag: "v1.0.1" }, "both", "Tag"),
          verified("unsigned-tag", { tag: "v1.0.2" }, "both", "TagAndHEAD"),
          verified("no-tag", { branch: "ssh" }, "both", "Tag"),
          verified("no-tag-both", { branch: "ssh" }, "both", "TagAndHEAD"),
        );
        await stage.look("created");
        await stage.apply(
          verified("pgp-head", { tag: "v1.0.0" }, "pgp", "TagAndHEAD"),
          verified("unsigned", { branch: "ssh" }, "both", "HEAD"),
          gitRepository("ssh-head", url, { ref: { branch: "ssh" } }),
          verified("pgp-tag", { branch: "main" }, "pgp", "HEAD"),
          verified("ssh-tag", { tag: "v1.0.1" }, "both", "Tag"),
        );
        await stage.look("edited");
      } finally {
        await signing.close();
      }
    },
  },
];
