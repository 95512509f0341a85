import { accessFrom } from "./access-from.ts";
import { artifact } from "./artifact.ts";
import { age, readiness, schedule } from "./column.ts";
import { conditions } from "./condition.ts";
import type { KindDefinition } from "./definition.ts";
import {
  flag,
  interval,
  lastHandledReconcileAt,
  list,
  localReference,
  object,
  observedGeneration,
  optional,
  shortInterval,
  status,
  text,
  word,
} from "./field.ts";

const include = object("Another GitRepository whose artifact becomes part of this one's.", {
  repository: localReference("The GitRepository to include."),
  fromPath: optional(text("Directory of its artifact to take, by default all of it.")),
  toPath: optional(text("Directory to put it in, by default the name of the GitRepository.")),
});

const reference = object("What to check out; the branch `master` where nothing is said.", {
  branch: optional(text("Branch to check out.")),
  tag: optional(text("Tag to check out. It has precedence over `branch`.")),
  semver: optional(
    text("Range of versions; the highest tag within it is checked out. It has precedence over `branch`."),
  ),
  name: optional(
    text(
      "Full name of a reference, such as `refs/pull/420/head`. It has precedence over `branch`, `tag` and `semver`.",
    ),
  ),
  commit: optional(
    text(
      "Commit to check out. It has precedence over all others; with `branch` it must be reachable from that branch.",
    ),
  ),
});

const verification = object("How the signature of the commit or the tag is checked.", {
  mode: optional(
    word("What must be signed. `head` is another spelling of `HEAD`.", ["head", "HEAD", "Tag", "TagAndHEAD"], {
      default: "HEAD",
    }),
  ),
  secretRef: localReference(
    "Secret with the public keys of trusted authors: PGP under keys ending in .asc, SSH in .sshpub.",
  ),
});

/** `GitRepository.spec`: sources.md section 5.1; the last two fields are v1beta2's (CV-003). */
export const gitRepositorySpec = object(
  "Which content of which Git repository to offer as an artifact.",
  {
    url: text("Address of the repository, over HTTP, HTTPS or SSH.", { pattern: "^(http|https|ssh)://.*$" }),
    interval: text("How often the repository is checked for changes.", { pattern: interval }),
    timeout: optional(text("How long a Git operation may take.", { pattern: shortInterval, default: "60s" })),
    ref: optional(reference),
    provider: optional(
      word("Whose kind of credentials is used; `generic` where nothing is said.", [
        "generic",
        "aws",
        "azure",
        "github",
      ]),
    ),
    secretRef: optional(
      localReference(
        "Secret with credentials: `username` and `password` or `bearerToken` for HTTPS, `identity` and `known_hosts` for SSH.",
      ),
    ),
    serviceAccountName: optional(
      text("ServiceAccount whose cloud identity is used. Only the providers `azure` and `aws` know it."),
    ),
    proxySecretRef: optional(localReference("Secret with the `address`, `username` and `password` of a proxy.")),
    verify: optional(verification),
    ignore: optional(
      text("Patterns of files to leave out, in the format of .sourceignore. They replace the default ones."),
    ),
    include: optional(list("GitRepositories whose artifacts become part of this one's.", include)),
    sparseCheckout: optional(list("Directories to check out, by default all.", text("Prefix of the paths to keep."))),
    recurseSubmodules: optional(flag("Whether submodules are checked out as well.")),
    suspend: optional(flag("Whether the object is left alone.")),
    gitImplementation: optional(word("Deprecated and without effect.", ["go-git", "libgit2"])),
    accessFrom: optional(accessFrom),
  },
  [
    {
      rule: "!has(self.serviceAccountName) || (has(self.provider) && (self.provider == 'azure' || self.provider == 'aws'))",
      message: "serviceAccountName can only be set when provider is 'azure' or 'aws'",
    },
  ],
);

/** `GitRepository.status`. */
export const gitRepositoryStatus = status("What is known of the repository.", {
  observedGeneration: optional(observedGeneration),
  conditions: optional(conditions),
  artifact: optional(artifact),
  includedArtifacts: optional(list("Artifacts that were included, in the order of `spec.include`.", artifact)),
  observedIgnore: optional(text("`spec.ignore` as the artifact was made with.")),
  observedRecurseSubmodules: optional(flag("`spec.recurseSubmodules` as the artifact was made with.")),
  observedInclude: optional(list("`spec.include` as the artifact was made with.", include)),
  observedSparseCheckout: optional(
    list("`spec.sparseCheckout` as the artifact was made with.", text("Prefix of the paths that were kept.")),
  ),
  sourceVerificationMode: optional(text("Which Git object was verified.")),
  lastHandledReconcileAt: optional(lastHandledReconcileAt),
});

/** GitRepository: SRC-001 to SRC-004, GIT-001. */
export const gitRepository: KindDefinition = {
  kind: "GitRepository",
  group: "source.toolkit.fluxcd.io",
  plural: "gitrepositories",
  shortNames: ["gitrepo"],
  category: "fluxcd-sources",
  component: "source-controller",
  description: "A Git repository whose content at one revision is offered as an artifact.",
  versions: ["v1", "v1beta2"],
  spec: gitRepositorySpec,
  status: gitRepositoryStatus,
  columns: [{ name: "URL", type: "string", jsonPath: ".spec.url" }, age, ...readiness, ...schedule],
  selectableFields: [],
};
