import type { Kind } from "./work-item.ts";

/** What the engine must know of a kind: where its objects are, whose placeholder owns them, and who writes them. */
export type KindIdentity = {
  kind: Kind;
  /** Group and storage version. */
  apiVersion: string;
  plural: string;
  /** The Flux controller whose placeholder Deployment owns the kind, and the reporter of its events (EV-004). */
  component: Component;
  /** Field manager of finalizers and status (KS-004, SRC-031). */
  fieldManager: string;
  /** Seconds between two looks at an object that names no interval; 0 where the schedule never looks at the kind. */
  defaultIntervalSeconds: number;
  /** Held while the object has something that must be undone before it goes; absent where the kind is others', and only read (EA-001). */
  finalizer?: string;
};

/** The Flux controllers whose work Sluice does; each has a placeholder Deployment (design, decision 2). */
export type Component = "source-controller" | "source-watcher" | "kustomize-controller" | "notification-controller";

/** The finalizer of Flux's kinds (SRC-005). */
export const fluxFinalizer = "finalizers.fluxcd.io";

/** Annotation by which a user, the flux CLI or a Receiver asks for a pass (KS-005, SRC-007). */
export const requestedAtAnnotation = "reconcile.fluxcd.io/requestedAt";

/** The kinds and their identities. Adding a kind is one line here. */
export const kinds: Record<Kind, KindIdentity> = {
  GitRepository: {
    kind: "GitRepository",
    apiVersion: "source.toolkit.fluxcd.io/v1",
    plural: "gitrepositories",
    defaultIntervalSeconds: 3600,
    component: "source-controller",
    fieldManager: "source-controller",
    finalizer: fluxFinalizer,
  },
  OCIRepository: {
    kind: "OCIRepository",
    apiVersion: "source.toolkit.fluxcd.io/v1",
    plural: "ocirepositories",
    defaultIntervalSeconds: 3600,
    component: "source-controller",
    fieldManager: "source-controller",
    finalizer: fluxFinalizer,
  },
  HelmRepository: {
    kind: "HelmRepository",
    apiVersion: "source.toolkit.fluxcd.io/v1",
    plural: "helmrepositories",
    defaultIntervalSeconds: 60,
    component: "source-controller",
    fieldManager: "source-controller",
    finalizer: fluxFinalizer,
  },
  HelmChart: {
    kind: "HelmChart",
    apiVersion: "source.toolkit.fluxcd.io/v1",
    plural: "helmcharts",
    defaultIntervalSeconds: 3600,
    component: "source-controller",
    fieldManager: "source-controller",
    finalizer: fluxFinalizer,
  },
  Bucket: {
    kind: "Bucket",
    apiVersion: "source.toolkit.fluxcd.io/v1",
    plural: "buckets",
    defaultIntervalSeconds: 3600,
    component: "source-controller",
    fieldManager: "source-controller",
    finalizer: fluxFinalizer,
  },
  ExternalArtifact: {
    kind: "ExternalArtifact",
    apiVersion: "source.toolkit.fluxcd.io/v1",
    plural: "externalartifacts",
    defaultIntervalSeconds: 0,
    component: "source-controller",
    fieldManager: "source-controller",
  },
  ArtifactGenerator: {
    kind: "ArtifactGenerator",
    apiVersion: "source.extensions.fluxcd.io/v1beta1",
    plural: "artifactgenerators",
    defaultIntervalSeconds: 3600,
    component: "source-watcher",
    fieldManager: "source-watcher",
    finalizer: "source.extensions.fluxcd.io/finalizer",
  },
  Kustomization: {
    kind: "Kustomization",
    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
    plural: "kustomizations",
    defaultIntervalSeconds: 3600,
    component: "kustomize-controller",
    fieldManager: "gotk-kustomize-controller",
    finalizer: fluxFinalizer,
  },
  Receiver: {
    kind: "Receiver",
    apiVersion: "notification.toolkit.fluxcd.io/v1",
    plural: "receivers",
    defaultIntervalSeconds: 600,
    component: "notification-controller",
    fieldManager: "notification-controller",
    finalizer: fluxFinalizer,
  },
};

/** The kind of that name, or undefined where the engine does not reconcile it. */
export function kindNamed(name: string): KindIdentity | undefined {
  return Object.hasOwn(kinds, name) ? kinds[name as Kind] : undefined;
}

/** The API path of a kind's collection, or of one of its objects. */
export function pathOf(kind: Kind, namespace?: string, name?: string): string {
  const { apiVersion, plural } = kinds[kind];
  const scope = namespace === undefined ? "" : `/namespaces/${namespace}`;
  return `/apis/${apiVersion}${scope}/${plural}${name === undefined ? "" : `/${name}`}`;
}
