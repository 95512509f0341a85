#!/usr/bin/env node
import { defineCommand, runMain } from "citty";

const main = defineCommand({
  meta: {
    name: "sluice",
    version: "0.1.0",
    description: "GitOps for Kubernetes with nothing running between two changes",
  },
  subCommands: {
    start: () => import("./start.ts").then(({ start }) => start),
    install: () => import("./install.ts").then(({ install }) => install),
    uninstall: () => import("./uninstall.ts").then(({ uninstall }) => uninstall),
    why: () => import("./why.ts").then(({ why }) => why),
    crds: () => import("./crds.ts").then(({ crds }) => crds),
  },
});

// Who reads only the beginning (`| head`) closes the pipe, which is no error.
process.stdout.on("error", (error) => process.exit("code" in error && error.code === "EPIPE" ? 0 : 1));
await runMain(main);
