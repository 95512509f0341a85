import { defineCommand } from "citty";
import { requireKnownFlags } from "./known-flags.ts";
import { connectToNamed, namedCluster, orTell } from "./named-cluster.ts";
import { removeInstallation } from "./remove-objects.ts";

/** `sluice uninstall`: takes Sluice out of a named cluster. */
export const uninstall = defineCommand({
  meta: {
    name: "uninstall",
    description:
      "Take Sluice out of a cluster. Workloads stay, and so do Flux's kinds and their objects without --crds",
  },
  args: {
    ...namedCluster,
    crds: { type: "boolean", description: "remove the CustomResourceDefinitions and all objects of their kinds too" },
  },
  run: ({ args, cmd }) =>
    orTell(async () => {
      requireKnownFlags(args, cmd.args ?? {});
      const options = { crds: args.crds === true };
      await removeInstallation(await connectToNamed(args), options, (line) => console.log(line));
    }),
});
