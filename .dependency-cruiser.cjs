/**
 * The house (docs/architecture.md): what each room may know, types included. Arrows point one way; a forbidden import fails
 * with what is allowed. `test/house.test.ts` runs this, and `test/loaded.dependency-cruiser.cjs` for what is loaded at run time.
 */
const rooms = {
  api: { may: [], says: "lib/api knows nothing: kinds, conditions, references and reasons stand alone" },
  text: { may: [], says: "lib/text knows nothing: dialects of text stand alone" },
  platform: { may: [], says: "lib/platform knows nothing of Sluice: it holds the ports and their two adapters" },
  cluster: { may: ["text", "api"], says: "lib/cluster may know lib/text and the types of lib/api: one API server, without a Flux kind" },
  git: { may: ["platform", "text"], says: "lib/git may know lib/platform and lib/text: it turns a repository into an archive" },
  oci: { may: ["platform", "text"], says: "lib/oci may know lib/platform and lib/text: it turns what a registry holds into an archive" },
  bucket: {
    may: ["identity", "platform", "text"],
    says: "lib/bucket may know lib/identity, lib/platform and lib/text: it turns a bucket into an archive",
  },
  chart: { may: ["platform", "text"], says: "lib/chart may know lib/platform and lib/text: it turns a chart repository into a chart" },
  identity: {
    may: ["platform", "text"],
    says: "lib/identity may know lib/platform and lib/text: it turns a service account or a role into a cloud's credentials",
  },
  sops: {
    may: ["identity", "platform", "text"],
    says: "lib/sops may know lib/identity, lib/platform and lib/text: it turns encrypted text into plain text",
  },
  kustomize: {
    may: ["platform", "text", "api"],
    says: "lib/kustomize may know lib/platform, lib/text and the types of lib/api: it turns an artifact into objects",
  },
  helm: {
    may: ["platform", "text", "api"],
    says: "lib/helm may know lib/platform, lib/text and the types of lib/api: it turns a chart into a release",
  },
  image: { may: ["oci", "git", "text"], says: "lib/image may know lib/oci, lib/git and lib/text: it finds newer images" },
  notify: {
    may: ["text", "api", "cluster", "platform", "engine"],
    says: "lib/notify may know lib/text, lib/api, lib/cluster, lib/platform and the engine's contracts",
  },
  engine: {
    may: ["api", "cluster", "platform", "text"],
    says: "lib/engine may know lib/api, lib/cluster, lib/platform and lib/text: it has the life cycle, no kind",
  },
  reconcilers: {
    may: ["api", "engine", "cluster", "git", "oci", "bucket", "chart", "kustomize", "helm", "identity", "sops", "image", "notify", "platform", "text"],
    says: "lib/reconcilers may know lib/api, the engine's contracts and the capability rooms",
  },
  front: {
    may: ["api", "engine", "cluster", "notify", "platform", "text"],
    says: "lib/front may know lib/engine, lib/notify, lib/cluster, lib/api, lib/platform and lib/text: it answers HTTP, and fetches and applies nothing",
  },
};

const allowed = Object.entries(rooms).map(([room, { may, says }]) => ({
  name: `room-${room}`,
  comment: says,
  severity: "error",
  from: { path: `^lib/${room}/`, pathNot: "\\.test\\.ts$|/contract\\.ts$" },
  to: { path: "^(lib|functions|infra|test|bench)/", pathNot: `^lib/(${[room, ...may].join("|")})/` },
}));

module.exports = {
  forbidden: [
    ...allowed,
    {
      name: "functions",
      comment: "functions/ may know lib/ and each other's shared entry code, never infra/, test/ or the local host",
      severity: "error",
      from: { path: "^functions/", pathNot: "\\.test\\.ts$" },
      to: { path: "^(infra|test|bench|lib/host|lib/cli)/" },
    },
    {
      name: "local-host",
      comment: "lib/host and lib/cli may know all of lib/: they run it on one machine, without functions/, infra/ and test/",
      severity: "error",
      from: { path: "^lib/(host|cli)/", pathNot: "\\.test\\.ts$" },
      to: { path: "^(functions|infra|test|bench)/" },
    },
    {
      name: "aws-only-in-its-adapter",
      comment: "the AWS SDK is imported in lib/platform/aws and functions/ alone: nothing else may know the platform",
      severity: "error",
      from: { path: "^lib/", pathNot: "^lib/platform/aws/|\\.test\\.ts$" },
      to: { path: "node_modules/@aws-sdk/" },
    },
    {
      name: "schemas-at-build-time",
      comment: "lib/api/schema and lib/api/install make CRDs and types out of TypeBox; nothing else may import it",
      severity: "error",
      from: { path: "^(functions|lib)/", pathNot: "^lib/api/(schema|install)/|\\.test\\.ts$" },
      to: { path: "node_modules/@sinclair/typebox/" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    // TypeScript 7 has no compiler API that the checker could use.
    parser: "swc",
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { extensions: [".ts", ".mjs", ".js"], conditionNames: ["import", "node"] },
  },
};
