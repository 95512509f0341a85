import { readFile } from "node:fs/promises";
import { defineCommand } from "citty";
import { connect } from "../cluster/connect.ts";
import { installInto } from "./install-cluster.ts";

/** `sluice install`: prepares a named cluster; it never guesses one. */
export const install = defineCommand({
  meta: {
    name: "install",
    description: "Prepare a cluster: CRDs, placeholders, RBAC and, with --endpoint, the admission webhook",
  },
  args: {
    kubeconfig: { type: "string", required: true, valueHint: "FILE", description: "kubeconfig of the cluster" },
    context: {
      type: "string",
      required: true,
      valueHint: "NAME",
      description: "context of the kubeconfig; no other context is touched",
    },
    cluster: { type: "string", default: "default", valueHint: "ID", description: "the cluster's id in Sluice" },
    endpoint: {
      type: "string",
      valueHint: "URL",
      description: "address of Sluice's front that the API server can reach; registers the admission webhook",
    },
    "admission-seed": {
      type: "string",
      valueHint: "FILE",
      description: "file with the deployment's admission secret (needed with --endpoint)",
    },
    "ca-file": {
      type: "string",
      valueHint: "FILE",
      description: "PEM of the authority that signed the endpoint's certificate, if it is not publicly trusted",
    },
  },
  run: async ({ args }) => {
    if (args.endpoint !== undefined && args["admission-seed"] === undefined)
      throw new Error("--endpoint needs --admission-seed FILE");
    const kubeconfig = await readFile(args.kubeconfig, "utf8");
    const client = connect(
      { type: "kubeconfig", kubeconfig, context: args.context },
      { userAgent: "sluice/0.1.0", trusted: true },
    );
    const seed =
      args["admission-seed"] === undefined ? undefined : (await readFile(args["admission-seed"], "utf8")).trim();
    const authority = args["ca-file"] === undefined ? undefined : await readFile(args["ca-file"], "utf8");
    const admission =
      args.endpoint === undefined || seed === undefined
        ? undefined
        : { endpoint: args.endpoint, seed, ...(authority === undefined ? {} : { certificateAuthority: authority }) };
    await installInto(client, {
      clusterId: args.cluster,
      ...(admission === undefined ? {} : { admission }),
      say: (line) => console.log(line),
    });
  },
});
