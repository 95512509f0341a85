import { join } from "node:path";
import { controlPlaneBinaries } from "../../lib/host/control-plane/binaries.ts";
import { type ControlPlane, startControlPlane } from "../../lib/host/control-plane/control-plane.ts";
import { pythonWithLocalStack } from "./localstack/environment.ts";
import { type LocalStack, startLocalStack } from "./localstack/localstack.ts";
import { type Registry, startRegistry } from "./registry/registry.ts";
import type { RunningSluice, SluiceFiles } from "./sluice.ts";
import { type SopsPrograms, sopsPrograms } from "./sops/sops.ts";

/** What every test of one run shares. `value` crosses process borders as JSON. */
export type Part<T> = {
  /** Called once before the first test, for what takes minutes on a new machine: builds, downloads. */
  prepare?(log: (line: string) => void): Promise<unknown>;
  /** Called when the first test asks for the part. `directory` is its own, and is removed at the end of the run. */
  start(directory: string, log: (line: string) => void): Promise<{ value: T; stop(): Promise<void> }>;
};

/** The control plane as tests see it: all of it but the means to stop it. */
export type BedCluster = Omit<ControlPlane, "stop" | "ended">;

const cluster: Part<BedCluster> = {
  prepare: controlPlaneBinaries,
  start: async (directory, log) => {
    const { stop, ...value } = await startControlPlane({ directory, log, auditLog: join(directory, "audit.log") });
    return { value, stop };
  },
};

/** AWS as tests see it: all of LocalStack but the means to stop it. */
export type BedAws = Omit<LocalStack, "stop">;

const localstack: Part<BedAws> = {
  prepare: pythonWithLocalStack,
  start: async (directory, log) => {
    const { stop, ...value } = await startLocalStack({ directory, log });
    return { value, stop };
  },
};

/** The programs that make encrypted files: there is nothing to start. */
const sops: Part<SopsPrograms> = {
  prepare: sopsPrograms,
  start: async (_directory, log) => ({ value: await sopsPrograms(log), stop: async () => undefined }),
};

/** A registry that anybody may push to and pull from, over plain HTTP. Each test has repositories of its own in it. */
const registry: Part<Omit<Registry, "stop">> = {
  start: async (directory, log) => {
    const { stop, ...value } = await startRegistry({ directory, log });
    return { value, stop };
  },
};

/** Sluice at work in a control plane of its own. */
const sluice: Part<RunningSluice & SluiceFiles> = {
  start: async (directory, log) => {
    // Loaded when a test asks for it: a bed without it needs nothing of the product.
    const { startSluice } = await import("./sluice.ts");
    const { stop, platform: _platform, ...value } = await startSluice({ directory, log });
    return { value, stop };
  },
};

/** The shared parts of the bed by the name under which `bed.ts` asks for them. */
export const parts = { cluster, localstack, sops, registry, sluice } satisfies Record<string, Part<unknown>>;

/** What a part gives to tests. */
export type PartValues = {
  [Name in keyof typeof parts]: (typeof parts)[Name] extends Part<infer Value> ? Value : never;
};
