import { existsSync } from "node:fs";
import { join } from "node:path";
import { type GoModule, goBinaries } from "../go-binaries.ts";

/** The servers of a control plane, each by the path of its program. */
export type ControlPlaneBinaries = { etcd: string; apiServer: string; controllerManager: string };

/** The version that the API server reports; kubernetes' own build sets it by the linker, and go.mod must name the same. */
export const kubernetesVersion = "v1.36.3";

const module: GoModule = {
  name: "control-plane",
  directory: import.meta.dirname,
  packages: {
    etcd: "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
  },
  ldflags: `-s -w -X k8s.io/component-base/version.gitVersion=${kubernetesVersion}`,
};

/**
 * Where the control plane's programs are. `KUBEBUILDER_ASSETS` names a directory that has them (the convention of
 * controller-runtime's envtest); what it lacks, as envtest's own archives lack kube-controller-manager, and everything where
 * it is unset, is built from Go modules once on this machine: about five minutes on two cores. `log` tells of it.
 */
export async function controlPlaneBinaries(log: (line: string) => void): Promise<ControlPlaneBinaries> {
  const assets = process.env.KUBEBUILDER_ASSETS;
  const given = Object.keys(module.packages)
    .map((name) => [name, join(assets ?? "", name)] as const)
    .filter(([, path]) => assets && existsSync(path));
  const wanted = Object.entries(module.packages).filter(([name]) => !given.some(([known]) => known === name));
  const built = await goBinaries({ ...module, packages: Object.fromEntries(wanted) }, log);
  const paths = new Map([...given, ...built]);
  const path = (name: string): string => {
    const found = paths.get(name);
    if (found === undefined) throw new Error(`${name} was neither given nor built`);
    return found;
  };
  return { etcd: path("etcd"), apiServer: path("kube-apiserver"), controllerManager: path("kube-controller-manager") };
}
