/** What Node loads: run on the sources without their types, which `test/house.test.ts` takes off. */
module.exports = {
  forbidden: [
    { name: "no-circular", comment: "a circle of imports has no top to read from", severity: "error", from: {}, to: { circular: true } },
    {
      name: "no-schemas-in-functions",
      comment: "TypeBox makes CRDs and types at build time; a function must load neither it nor lib/api/schema and lib/api/install",
      severity: "error",
      from: { path: "^functions/[^/]+/handler\\.ts$" },
      to: { path: "^lib/api/(schema|install)/|node_modules/@sinclair/typebox/", reachable: true },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    parser: "swc",
    enhancedResolveOptions: { extensions: [".ts", ".mjs", ".js"], conditionNames: ["import", "node"] },
  },
};
