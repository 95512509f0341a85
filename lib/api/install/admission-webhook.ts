import type { KubernetesObject } from "../object.ts";
import { definitions } from "../schema/kinds.ts";
import { installLabels, runtimeNamespace } from "./labels.ts";

/** Where a cluster's API server finds Sluice. */
export type AdmissionAddress = {
  clusterId: string;
  /** `https://host[:port]`, without trailing slash. */
  endpoint: string;
  /** The cluster's own, which nobody else can guess. */
  token: string;
  /**
   * Which ConfigMaps and Secrets wake who refers to them (KS-009), or "none"; by default those labelled
   * `reconcile.fluxcd.io/watch: Enabled`.
   */
  watched?: Watched;
  /** Base64 of the PEM of the authority that signed the endpoint's certificate; publicly trusted ones need none. */
  caBundle?: string;
};

/** A label selector of ConfigMaps and Secrets, as the API has it (metav1.LabelSelector). */
export type Watched =
  | "none"
  | {
      matchLabels?: Record<string, string>;
      matchExpressions?: {
        key: string;
        operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
        values?: string[];
      }[];
    };

/** Name of the webhook configuration (BS-047). */
export const webhookName = `sluice-${runtimeNamespace}`;

/** Label that the objects of a Kustomization carry. */
const ownerLabel = "kustomize.toolkit.fluxcd.io/name";

/**
 * The cluster's call to Sluice at each change that matters (design, decision 5): of Sluice's kinds, of the objects that
 * carry owner labels, also when somebody takes the label off, and of ConfigMaps and Secrets that are watched. It never stands in the way: the answer is always yes, a call
 * that fails is ignored, and costs at most two seconds. What must not call is sorted out inside the API server.
 */
export function admissionWebhook({
  clusterId,
  endpoint,
  token,
  caBundle,
  watched = { matchLabels: { "reconcile.fluxcd.io/watch": "Enabled" } },
}: AdmissionAddress): KubernetesObject {
  const url = `${endpoint}/admission/${encodeURIComponent(clusterId)}/${encodeURIComponent(token)}`;
  const call = {
    admissionReviewVersions: ["v1"],
    clientConfig: { url, ...(caBundle === undefined ? {} : { caBundle }) },
    failurePolicy: "Ignore",
    matchPolicy: "Equivalent",
    sideEffects: "NoneOnDryRun",
    timeoutSeconds: 2,
  };
  return {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingWebhookConfiguration",
    metadata: { name: webhookName, labels: { ...installLabels(), "app.kubernetes.io/managed-by": "sluice" } },
    webhooks: [
      { ...call, name: "kinds.sluice.dev", rules: kindRules(), matchConditions: [notDryRun, notOurOwnWriteOfAKind] },
      {
        ...call,
        name: "managed.sluice.dev",
        objectSelector: { matchExpressions: [{ key: ownerLabel, operator: "Exists" }] },
        rules: [rule(["*"], ["*"], ["*"], "*")],
        matchConditions: [notDryRun, notOfAKind, notOurOwnWrite, notMadeByKubernetes, notBySystem],
      },
      ...(watched === "none"
        ? []
        : [
            {
              ...call,
              name: "configuration.sluice.dev",
              objectSelector: watched,
              rules: [rule([""], ["v1"], ["configmaps", "secrets"], "Namespaced")],
              matchConditions: [notDryRun],
            },
          ]),
    ],
  };
}

/** The kinds that have a status are reconciled; the others are read when an event needs them. */
const reconciled = definitions.filter(({ status }) => status !== undefined);

function kindRules(): unknown[] {
  return reconciled.map(({ group, versions, plural, publishes }) =>
    rule([group], [versions[0]], publishes === true ? [plural, `${plural}/status`] : [plural], "Namespaced"),
  );
}

/** A resource without `/` matches writes of objects, never of their status or another subresource. */
function rule(apiGroups: string[], apiVersions: string[], resources: string[], scope: string): unknown {
  return { apiGroups, apiVersions, resources, scope, operations: ["CREATE", "UPDATE", "DELETE"] };
}

type MatchCondition = { name: string; expression: string };

const notDryRun: MatchCondition = {
  name: "not-a-dry-run",
  expression: "!has(request.dryRun) || !request.dryRun",
};

/** An object of Sluice's kinds that a Kustomization manages is told once, by the other webhook. */
const notOfAKind: MatchCondition = {
  name: "not-of-a-kind",
  expression: `!(request.resource.group + '/' + request.resource.resource in [${reconciled.map(({ group, plural }) => `'${group}/${plural}'`).join(", ")}])`,
};

/**
 * CEL that is true of Sluice's own writes: its field managers are those of Flux's controllers (KS-004, KS-140, SRC-031).
 * What a pass applies it wakes by itself.
 */
const ownWrite = [
  "has(request.options) && has(request.options.fieldManager) && (request.options.fieldManager.startsWith('gotk-') || ",
  "request.options.fieldManager in ['kustomize-controller', 'notification-controller', 'sluice', 'source-controller', 'source-watcher'])",
].join("");

/** A Flux controller that runs in the cluster has the same field managers but is somebody else: a team may move one at a time. */
const notOurOwnWriteOfAKind: MatchCondition = {
  name: "not-our-own-write",
  expression: `!(${ownWrite}) || request.userInfo.username.startsWith('system:serviceaccount:${runtimeNamespace}:')`,
};

/** A deletion has no field manager. One that insists on a uid is a program's: of Sluice's prune, or of the garbage collector. */
const notOurOwnWrite: MatchCondition = {
  name: "not-our-own-write",
  expression: `!(${ownWrite}) && !(request.operation == 'DELETE' && has(request.options) && has(request.options.preconditions) && has(request.options.preconditions.uid))`,
};

/** Kubernetes copies the labels of Services to their Endpoints and EndpointSlices, and writes these all the time (SV-03). */
const notMadeByKubernetes: MatchCondition = {
  name: "not-made-by-kubernetes",
  expression:
    "!(request.resource.group in ['coordination.k8s.io', 'discovery.k8s.io', 'events.k8s.io'] || (request.resource.group == '' && request.resource.resource in ['endpoints', 'events']))",
};

/** What Kubernetes' own controllers write to an object is no drift. */
const notBySystem: MatchCondition = {
  name: "not-by-kubernetes",
  expression:
    "!(request.userInfo.username in ['system:apiserver', 'system:kube-controller-manager', 'system:kube-scheduler'] || request.userInfo.username.startsWith('system:node:') || request.userInfo.username.startsWith('system:serviceaccount:kube-system:'))",
};
