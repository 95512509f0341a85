/** The house (docs/architecture.md): what each room may know. Arrows point one way; a forbidden import fails with what is allowed. */
const rooms = {
  api: { may: [], says: "lib/api knows nothing: kinds, conditions, references and reasons stand alone" },
  text: { may: [], says: "lib/text knows nothing: dialects of text stand alone" },
  platform: { may: [], says: "lib/platform knows nothing of Sluice: it holds the ports and their two adapters" },
  cluster: { may: ["text", "api"], says: "lib/cluster may know lib/text and the types of lib/api: one API server, without a Flux kind" },
  git: { may: ["platform", "text"], says: "lib/git may know lib/platform and lib/text: it turns a repository into an archive" },
  kustomize: { may: ["platform", "text", "api"], says: "lib/kustomize may know lib/platform, lib/text and the types of lib/api: it turns an artifact into objects" },
  notify: { may: ["text", "api", "cluster", "platform", "engine"], says: "lib/notify may know lib/text, lib/api, lib/cluster, lib/platform and the engine's contracts" },
  front: { may: ["api", "cluster", "engine", "notify", "platform", "text"], says: "lib/front may know lib/api, lib/cluster, the engine's contracts, lib/notify, lib/platform and lib/text: it takes requests and hands them on" },
  engine: { may: ["api", "cluster", "platform", "text"], says: "lib/engine may know lib/api, lib/cluster, lib/platform and lib/text: it has the life cycle, no kind" },
  reconcilers: {
    may: ["api", "engine", "cluster", "git", "kustomize", "notify", "platform", "text"],
    says: "lib/reconcilers may know lib/api, the engine's contracts and the capability rooms",
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
      name: "aws-only-in-its-adapter",
      comment: "the AWS SDK is imported in lib/platform/aws and functions/ alone: nothing else may know the platform",
      severity: "error",
      from: { path: "^lib/", pathNot: "^lib/platform/aws/|\\.test\\.ts$" },
      to: { path: "node_modules/@aws-sdk/" },
    },
    {
      name: "schemas-at-build-time",
      comment: "TypeBox makes CRDs and types; nothing of it may run in a function",
      severity: "error",
      from: { path: "^(functions|lib)/", pathNot: "^lib/(api/schema|api/install|api/crd|cli)|\\.test\\.ts$" },
      to: { path: "node_modules/@sinclair/typebox/", dependencyTypesNot: ["type-only"] },
    },
    { name: "no-circular", comment: "a circle of imports has no top to read from", severity: "error", from: {}, to: { circular: true } },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    parser: "swc",
    tsPreCompilationDeps: false,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { extensions: [".ts", ".mjs", ".js"], conditionNames: ["import", "node"] },
  },
};
