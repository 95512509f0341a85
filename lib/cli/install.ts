import { readFile } from "node:fs/promises";
import { defineCommand } from "citty";
import { type InstallOptions, installInto } from "./install-cluster.ts";
import { requireKnownFlags } from "./known-flags.ts";
import { connectToNamed, namedCluster, orTell } from "./named-cluster.ts";

/** `sluice install`: prepares a named cluster. */
export const install = defineCommand({
  meta: {
    name: "install",
    description:
      "Prepare a cluster for Sluice: Flux's kinds, roles, and Flux's controllers as placeholders with no replica. Applying again changes nothing and keeps a team's own flags and replicas; after a change of the placeholder's --watch-configs-label-selector or gate DisableConfigWatchers install again, with --endpoint, since the admission webhook holds what is watched",
  },
  args: {
    ...namedCluster,
    cluster: { type: "string", default: "default", valueHint: "ID", description: "the cluster's id in the deployment" },
    endpoint: {
      type: "string",
      valueHint: "URL",
      description:
        "https address by which the cluster reaches Sluice, the deployment's output; without it changes are found within a minute",
    },
    "admission-seed": {
      type: "string",
      valueHint: "FILE",
      description: "file with the deployment's admission secret; needed with --endpoint",
    },
    "ca-file": {
      type: "string",
      valueHint: "FILE",
      description: "PEM of the authority that signed the endpoint's certificate, if it is not publicly trusted",
    },
  },
  run: ({ args, cmd }) =>
    orTell(async () => {
      requireKnownFlags(args, cmd.args ?? {});
      const admission = await readAdmission(args.endpoint, args["admission-seed"], args["ca-file"]);
      await installInto(await connectToNamed(args), {
        clusterId: args.cluster,
        ...(admission === undefined ? {} : { admission }),
        say: (line) => console.log(line),
      });
      if (admission === undefined)
        console.log("No admission webhook: without --endpoint changes are found within a minute.");
    }),
});

async function readAdmission(
  endpoint: string | undefined,
  seedFile: string | undefined,
  authorityFile: string | undefined,
): Promise<InstallOptions["admission"]> {
  if (endpoint === undefined) {
    if (seedFile !== undefined || authorityFile !== undefined)
      throw new Error(
        "--admission-seed and --ca-file say how the cluster calls an endpoint: name it by --endpoint URL",
      );
    return undefined;
  }
  if (!/^https:\/\/[^/]+(\/.*)?$/.test(endpoint))
    throw new Error(`--endpoint must be an https address, and is "${endpoint}": the API server calls no other`);
  if (seedFile === undefined)
    throw new Error("--endpoint needs --admission-seed FILE: the cluster's token is made of it");
  const authority = authorityFile === undefined ? undefined : await readFile(authorityFile, "utf8");
  return {
    endpoint: endpoint.replace(/\/+$/, ""),
    seed: (await readFile(seedFile, "utf8")).trim(),
    ...(authority === undefined ? {} : { certificateAuthority: authority }),
  };
}
