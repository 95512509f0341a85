import fc from "fast-check";

type Part = Record<string, unknown>;

/** Few names, so that references meet what they mean, several such things, and nothing. */
const name = fc.constantFrom("web", "db", "p-web", "default", "system:db");
const namespace = fc.constantFrom("apps", "other", "default");
const optional = (field: string, value: fc.Arbitrary<unknown>) =>
  fc.option(value).map((found): Part => (found === null ? {} : { [field]: found }));

const source = fc.oneof(
  name.map((to) => ({ name: "E", valueFrom: { configMapKeyRef: { name: to, key: "k" } } })),
  name.map((to) => ({ name: "E", valueFrom: { secretKeyRef: { name: to, key: "k" } } })),
  fc.constant({ name: "E", value: "v" }),
);
const image = fc.constantFrom(
  ...["example.com/main:1", "exampleXcom/main", "main", "main:1", "main:1@sha256:abc", "main@sha256:abc", "main:{x}"],
  ...["localhost:5000/main", "localhost:5000/main:2", "localhost:5000/main@sha256:abc", "a/b/main:3", "domain"],
);
const container = fc
  .tuple(
    fc.array(source, { maxLength: 2 }),
    fc.array(
      fc.oneof(
        name.map((to) => ({ configMapRef: { name: to } })),
        name.map((to) => ({ secretRef: { name: to } })),
      ),
      { maxLength: 2 },
    ),
    image,
  )
  .map(([env, envFrom, from]) => ({ name: "main", image: from, env, envFrom }));
const volume = name.chain((to) =>
  fc.constantFrom<Part>(
    { name: "v", configMap: { name: to } },
    { name: "v", secret: { secretName: to } },
    { name: "v", persistentVolumeClaim: { claimName: to } },
    {
      name: "v",
      projected: {
        sources: [{ configMap: { name: to } }, { secret: { name: to } }, { serviceAccountToken: { path: "t" } }],
      },
    },
    { name: "v", emptyDir: {} },
    { name: "v", image: { reference: "main:1" } },
  ),
);
const pod = fc
  .tuple(
    fc.array(container, { minLength: 1, maxLength: 2 }),
    optional("initContainers", fc.array(container, { maxLength: 1 })),
    optional("volumes", fc.array(volume, { maxLength: 3 })),
    optional("serviceAccountName", name),
    optional(
      "imagePullSecrets",
      fc.array(
        name.map((to) => ({ name: to })),
        { maxLength: 2 },
      ),
    ),
    optional("priorityClassName", name),
  )
  .map(([containers, ...parts]) => Object.assign({ containers }, ...parts));
const subject = fc
  .tuple(fc.constantFrom("ServiceAccount", "User", "Group"), name, optional("namespace", namespace))
  .map(([kind, to, where]) => ({ kind, name: to, ...where }));
const roleRef = fc
  .tuple(fc.constantFrom("Role", "ClusterRole"), name)
  .map(([kind, to]) => ({ apiGroup: "rbac.authorization.k8s.io", kind, name: to }));
const rules = fc.array(
  fc
    .array(name, { maxLength: 3 })
    .map((resourceNames) => ({ apiGroups: [""], resources: ["secrets"], resourceNames, verbs: ["get"] })),
  { maxLength: 2 },
);
const template = pod.map((spec) => ({ metadata: { labels: { app: "x" } }, spec }));
const ingress = fc.tuple(name, name, name).map(([to, secret, fallback]) => ({
  defaultBackend: { service: { name: fallback, port: { number: 80 } } },
  tls: [{ hosts: ["example.com"], secretName: secret }],
  rules: [
    { http: { paths: [{ path: "/", pathType: "Prefix", backend: { service: { name: to, port: { number: 80 } } } }] } },
  ],
}));

/** Kinds with what of them may refer to others. */
const kinds: [string, string, fc.Arbitrary<Part>][] = [
  ["v1", "ConfigMap", fc.constant({ data: { k: "v", long: "line\nline\n" } })],
  ["v1", "Secret", fc.constant({ type: "Opaque", data: { k: "dg==" } })],
  ["v1", "ServiceAccount", optional("imagePullSecrets", fc.array(name.map((to) => ({ name: to }))))],
  ["v1", "Service", fc.constant({ spec: { selector: { app: "x" }, ports: [{ port: 80 }] } })],
  [
    "v1",
    "PersistentVolumeClaim",
    fc.tuple(name, name).map(([storageClassName, volumeName]) => ({ spec: { storageClassName, volumeName } })),
  ],
  [
    "v1",
    "PersistentVolume",
    name.map((storageClassName) => ({ spec: { storageClassName, azureFile: { secretName: storageClassName } } })),
  ],
  ["v1", "Pod", pod.map((spec) => ({ spec }))],
  ["v1", "PodTemplate", template.map((part) => ({ template: part }))],
  ["v1", "ReplicationController", template.map((part) => ({ spec: { template: part } }))],
  ["apps/v1", "Deployment", template.map((part) => ({ spec: { template: part } }))],
  ["apps/v1", "ReplicaSet", template.map((part) => ({ spec: { template: part } }))],
  ["apps/v1", "DaemonSet", template.map((part) => ({ spec: { template: part } }))],
  [
    "apps/v1",
    "StatefulSet",
    fc.tuple(template, name).map(([part, to]) => ({
      spec: {
        serviceName: to,
        template: part,
        volumeClaimTemplates: [{ metadata: { name: "c" }, spec: { storageClassName: to } }],
      },
    })),
  ],
  ["batch/v1", "Job", template.map((part) => ({ spec: { template: part } }))],
  [
    "batch/v1",
    "CronJob",
    template.map((part) => ({ spec: { schedule: "* * * * *", jobTemplate: { spec: { template: part } } } })),
  ],
  [
    "autoscaling/v2",
    "HorizontalPodAutoscaler",
    fc
      .tuple(fc.constantFrom("Deployment", "StatefulSet"), name)
      .map(([kind, to]) => ({ spec: { scaleTargetRef: { kind, name: to } } })),
  ],
  ["networking.k8s.io/v1", "Ingress", ingress.map((spec) => ({ spec }))],
  ["networking.k8s.io/v1", "NetworkPolicy", fc.constant({ spec: { podSelector: {}, policyTypes: ["Ingress"] } })],
  ["policy/v1", "PodDisruptionBudget", fc.constant({ spec: { minAvailable: 1 } })],
  ["rbac.authorization.k8s.io/v1", "Role", rules.map((list) => ({ rules: list }))],
  ["rbac.authorization.k8s.io/v1", "ClusterRole", rules.map((list) => ({ rules: list }))],
  [
    "rbac.authorization.k8s.io/v1",
    "RoleBinding",
    fc.tuple(roleRef, fc.array(subject, { maxLength: 3 })).map(([ref, subjects]) => ({ roleRef: ref, subjects })),
  ],
  [
    "rbac.authorization.k8s.io/v1",
    "ClusterRoleBinding",
    fc.tuple(roleRef, fc.array(subject, { maxLength: 3 })).map(([ref, subjects]) => ({ roleRef: ref, subjects })),
  ],
  ["storage.k8s.io/v1", "StorageClass", name.map((secretName) => ({ provisioner: "x", parameters: { secretName } }))],
  ["scheduling.k8s.io/v1", "PriorityClass", fc.constant({ value: 1000000 })],
  [
    "admissionregistration.k8s.io/v1",
    "ValidatingWebhookConfiguration",
    fc.tuple(name, optional("namespace", namespace)).map(([to, where]) => ({
      webhooks: [{ name: "a.example.com", clientConfig: { service: { name: to, ...where } } }],
    })),
  ],
  ["admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", fc.constant({ spec: {} })],
  [
    "admissionregistration.k8s.io/v1",
    "ValidatingAdmissionPolicyBinding",
    name.map((policyName) => ({ spec: { policyName } })),
  ],
  [
    "apiextensions.k8s.io/v1",
    "CustomResourceDefinition",
    fc.constant({ spec: { group: "example.com", scope: "Namespaced", conversion: { strategy: "None" } } }),
  ],
  [
    "apiregistration.k8s.io/v1",
    "APIService",
    name.map((to) => ({ spec: { service: { name: to, namespace: "apps" } } })),
  ],
  [
    "example.com/v1",
    "Database",
    name.map((to) => ({ spec: { secretName: to, size: "1Gi", replicas: 3, ratio: 0.5 } })),
  ],
  ["serving.knative.dev/v1", "Service", template.map((part) => ({ spec: { template: part } }))],
  ["v1", "Namespace", fc.constant({})],
];

/** An object of one of many kinds, which may be meant by others of a set and refers to some. */
export const object: fc.Arbitrary<Part> = fc
  .constantFrom(...kinds)
  .chain(([apiVersion, kind, body]) =>
    fc
      .tuple(name, optional("namespace", namespace), body)
      .map(([own, where, parts]) => ({ apiVersion, kind, metadata: { name: own, ...where }, ...parts })),
  );

const replacement = fc
  .tuple(
    fc.constantFrom("main", "example.com/main", "localhost:5000/main", "a/b/main").map((from) => ({ name: from })),
    optional("newName", fc.constantFrom("other", "example.org:80/other")),
    optional("newTag", fc.constantFrom("v2", "1.25", "x-7")),
    optional("digest", fc.constant("sha256:def")),
  )
  .map((parts) => Object.assign({}, ...parts));
const layer = fc
  .tuple(
    optional("namespace", namespace),
    optional("namePrefix", fc.constantFrom("p-", "q-")),
    optional("nameSuffix", fc.constantFrom("-s", "-t")),
    optional("images", fc.array(replacement, { maxLength: 2 })),
  )
  .map((parts) => Object.assign({}, ...parts));

/** An object for each id, since kustomize refuses what is given twice. */
function withoutTwins(objects: Part[], taken: Set<string>): Part[] {
  return objects.filter(({ apiVersion, kind, metadata }) => {
    const id = JSON.stringify([apiVersion, kind, metadata]).replace(',"namespace":"default"', "");
    return !taken.has(id) && taken.add(id) !== undefined;
  });
}

/** The files of an application in up to three layers, of which each may add to names and move what is below it. */
export const application: fc.Arbitrary<Record<string, string | object>> = fc
  .tuple(
    fc.array(object, { minLength: 2, maxLength: 12 }),
    fc.array(fc.tuple(layer, fc.array(object, { minLength: 1, maxLength: 6 })), { maxLength: 2 }),
    layer,
  )
  .map(([own, bases, top]) => {
    const taken = new Set<string>();
    const write = (objects: Part[]) =>
      withoutTwins(objects, taken)
        .map((each) => JSON.stringify(each))
        .join("\n---\n");
    const files: Record<string, string | object> = { "a.yaml": write(own) };
    for (const [index, [fields, objects]] of bases.entries()) {
      files[`base${index}/kustomization.yaml`] = { resources: ["b.yaml"], ...fields };
      files[`base${index}/b.yaml`] = write(objects);
    }
    files["kustomization.yaml"] = { resources: ["a.yaml", ...bases.map((_, index) => `base${index}`)], ...top };
    return files;
  });
