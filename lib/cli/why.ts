import { defineCommand } from "citty";
import { requireKnownFlags } from "./known-flags.ts";
import { connectToNamed, namedCluster, orTell } from "./named-cluster.ts";
import { parseNamedObject } from "./named-object.ts";
import { readReadiness } from "./readiness.ts";
import { explainReadiness } from "./readiness-text.ts";

/** `sluice why`: tells why an object is not ready, from what the cluster itself holds. */
export const why = defineCommand({
  meta: {
    name: "why",
    description:
      "Tell why an object of Sluice's kinds is not ready: its state, the step that failed, the next attempt, who does the work, and what it needs",
  },
  args: {
    object: {
      type: "positional",
      required: true,
      valueHint: "KIND/NAME",
      description: "the object; the kind as kubectl takes it, such as gitrepo",
    },
    namespace: {
      type: "string",
      alias: "n",
      required: true,
      valueHint: "NAMESPACE",
      description: "namespace of the object",
    },
    ...namedCluster,
  },
  run: ({ args, cmd }) =>
    orTell(async () => {
      requireKnownFlags(args, cmd.args ?? {}, 1);
      const named = parseNamedObject(args.object);
      const readiness = await readReadiness(await connectToNamed(args), named, args.namespace);
      for (const line of explainReadiness(readiness, new Date())) console.log(line);
    }),
});
