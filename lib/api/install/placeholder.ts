import type { KubernetesObject } from "../object.ts";
import { installLabels, runtimeNamespace } from "./labels.ts";

/** One Flux controller: what its Deployment needs so that it works once it is scaled up. */
type Controller = {
  name: string;
  version: string;
  /** Besides those that every controller has. */
  args: { before: string[]; after: string[] };
  env: { name: string; value: string }[];
  ports: { name: string; containerPort: number }[];
  /** Port whose HTTP answer says that it is ready. */
  readiness: { path: string; port: string };
  volumes: { name: string; mountPath: string }[];
  cpu: string;
  graceSeconds: number;
  critical: boolean;
  strategy: "Recreate" | "RollingUpdate";
};

const eventsAddress = `--events-addr=http://notification-controller.${runtimeNamespace}.svc.cluster.local./`;

/** What the controllers that store artifacts have alike, as Flux installs them. */
function storing(name: string): Omit<Controller, "version" | "env"> {
  return {
    name,
    args: {
      before: [eventsAddress],
      after: ["--storage-path=/data", `--storage-adv-addr=${name}.$(RUNTIME_NAMESPACE).svc.cluster.local.`],
    },
    ports: [{ name: "http", containerPort: 9090 }],
    readiness: { path: "/", port: "http" },
    volumes: [
      { name: "data", mountPath: "/data" },
      { name: "tmp", mountPath: "/tmp" },
    ],
    cpu: "50m",
    graceSeconds: 10,
    critical: true,
    strategy: "Recreate",
  };
}

/** The controllers whose kinds Sluice reconciles, as Flux 2.9 installs them. */
const controllers: Controller[] = [
  {
    ...storing("source-controller"),
    version: "v1.9.4",
    env: [{ name: "TUF_ROOT", value: "/tmp/.sigstore" }],
  },
  {
    ...storing("source-watcher"),
    version: "v2.2.3",
    env: [],
  },
  {
    name: "kustomize-controller",
    version: "v1.9.4",
    // As `flux install` does it where source-watcher is a component: what makes ExternalArtifacts is there (EA-002).
    args: { before: [eventsAddress], after: ["--feature-gates=ExternalArtifact=true"] },
    env: [],
    ports: [],
    readiness: { path: "/readyz", port: "healthz" },
    volumes: [{ name: "temp", mountPath: "/tmp" }],
    cpu: "100m",
    graceSeconds: 60,
    critical: true,
    strategy: "RollingUpdate",
  },
  {
    name: "notification-controller",
    version: "v1.9.3",
    args: { before: [], after: [] },
    env: [],
    ports: [
      { name: "http", containerPort: 9090 },
      { name: "http-webhook", containerPort: 9292 },
    ],
    readiness: { path: "/readyz", port: "healthz" },
    volumes: [{ name: "temp", mountPath: "/tmp" }],
    cpu: "100m",
    graceSeconds: 10,
    critical: false,
    strategy: "RollingUpdate",
  },
];

/** Pods of these priority classes are only admitted outside kube-system where a quota names them, on some clusters (BS-004). */
const criticalPods: KubernetesObject = {
  apiVersion: "v1",
  kind: "ResourceQuota",
  metadata: { name: `critical-pods-${runtimeNamespace}`, namespace: runtimeNamespace, labels: installLabels() },
  spec: {
    hard: { pods: "1000" },
    scopeSelector: {
      matchExpressions: [
        {
          operator: "In",
          scopeName: "PriorityClass",
          values: ["system-node-critical", "system-cluster-critical"],
        },
      ],
    },
  },
};

/**
 * The placeholders (design, decision 2): Flux's own controllers with no replica, each with its ServiceAccount and Services.
 * Sluice reads its flags from their args; moving a component back into the cluster is scaling its Deployment up.
 * Flux's NetworkPolicies are left to the team: nothing runs that they would protect, and they would cut off what else is there.
 */
export function placeholders(): KubernetesObject[] {
  return [
    criticalPods,
    ...controllers.map(({ name }) => serviceAccount(name)),
    service("source-controller", "source-controller", "http"),
    service("source-watcher", "source-watcher", "http"),
    service("notification-controller", "notification-controller", "http"),
    service("webhook-receiver", "notification-controller", "http-webhook"),
    ...controllers.map(deployment),
  ];
}

function serviceAccount(name: string): KubernetesObject {
  return {
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name, namespace: runtimeNamespace, labels: installLabels(name) },
  };
}

function service(name: string, controller: string, port: string): KubernetesObject {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      name,
      namespace: runtimeNamespace,
      labels: { ...installLabels(controller), "control-plane": "controller" },
    },
    spec: {
      type: "ClusterIP",
      selector: { app: controller },
      ports: [{ name: "http", port: 80, protocol: "TCP", targetPort: port }],
    },
  };
}

function deployment(controller: Controller): KubernetesObject {
  const { name } = controller;
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: {
      name,
      namespace: runtimeNamespace,
      labels: { ...installLabels(name), "control-plane": "controller" },
    },
    spec: {
      replicas: 0,
      selector: { matchLabels: { app: name } },
      strategy: { type: controller.strategy },
      template: {
        metadata: {
          labels: { ...installLabels(name), app: name },
          annotations: { "prometheus.io/scrape": "true", "prometheus.io/port": "8080" },
        },
        spec: {
          serviceAccountName: name,
          ...(controller.critical ? { priorityClassName: "system-cluster-critical" } : {}),
          terminationGracePeriodSeconds: controller.graceSeconds,
          securityContext: { fsGroup: 1337 },
          containers: [container(controller)],
          volumes: controller.volumes.map((volume) => ({ name: volume.name, emptyDir: {} })),
        },
      },
    },
  };
}

function container(controller: Controller): Record<string, unknown> {
  const { name, version, args, env, ports, readiness, volumes, cpu } = controller;
  return {
    name: "manager",
    image: `ghcr.io/fluxcd/${name}:${version}`,
    imagePullPolicy: "IfNotPresent",
    args: [
      ...args.before,
      "--watch-all-namespaces",
      "--log-level=info",
      "--log-encoding=json",
      "--enable-leader-election",
      ...args.after,
    ],
    env: [
      { name: "RUNTIME_NAMESPACE", valueFrom: { fieldRef: { fieldPath: "metadata.namespace" } } },
      ...env,
      {
        name: "GOMEMLIMIT",
        valueFrom: { resourceFieldRef: { containerName: "manager", resource: "limits.memory" } },
      },
    ],
    ports: [...ports, { name: "http-prom", containerPort: 8080 }, { name: "healthz", containerPort: 9440 }].map(
      (port) => ({ ...port, protocol: "TCP" }),
    ),
    readinessProbe: { httpGet: readiness },
    livenessProbe: { httpGet: { path: "/healthz", port: "healthz" } },
    resources: { requests: { cpu, memory: "64Mi" }, limits: { cpu: "1000m", memory: "1Gi" } },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      capabilities: { drop: ["ALL"] },
      seccompProfile: { type: "RuntimeDefault" },
    },
    volumeMounts: volumes,
  };
}
