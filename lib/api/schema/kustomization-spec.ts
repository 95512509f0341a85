import { anything, flag, interval, list, localReference, object, optional, text, textMap, word } from "./field.ts";

const selector = {
  group: optional(text("API group of the objects.")),
  version: optional(text("API version of the objects.")),
  kind: optional(text("Kind of the objects.")),
  name: optional(text("Name of the objects.")),
  namespace: optional(text("Namespace of the objects.")),
  labelSelector: optional(text("Selector that the labels of the objects match.")),
  annotationSelector: optional(text("Selector that the annotations of the objects match.")),
};

const sourceRef = object("The source to build from.", {
  apiVersion: optional(text("API version of the source.")),
  kind: word("Kind of the source.", ["OCIRepository", "GitRepository", "Bucket", "ExternalArtifact"]),
  name: text("Name of the source."),
  namespace: optional(text("Namespace of the source, by default this object's own.")),
});

const dependency = object("A Kustomization that must be ready before this one is applied.", {
  name: text("Name of the Kustomization."),
  namespace: optional(text("Namespace of the Kustomization, by default this object's own.")),
  readyExpr: optional(
    text("CEL expression over `self` and `dep` that tells whether it is ready, in place of the built-in check."),
  ),
});

const kubeConfig = object(
  "The cluster to apply to, by default the one that this object is in.",
  {
    configMapRef: optional(localReference("ConfigMap that says which cluster and by which cloud identity.")),
    secretRef: optional(
      object("Secret with a kubeconfig.", {
        name: text("Name of the Secret."),
        key: optional(text("Key of the Secret, by default `value` or `value.yaml`.")),
      }),
    ),
  },
  ["has(self.configMapRef) || has(self.secretRef)", "!has(self.configMapRef) || !has(self.secretRef)"].map((rule) => ({
    rule,
    message: "exactly one of spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef must be specified",
  })),
);

const decryption = object("How encrypted files are decrypted before they are built.", {
  provider: word("The format of encrypted files.", ["sops"]),
  secretRef: optional(localReference("Secret with private keys or the credentials of a key service.")),
  serviceAccountName: optional(text("ServiceAccount whose cloud identity is used with key services.")),
});

const postBuild = object("What happens to the objects after they are built.", {
  substitute: optional(textMap("Variables and their values, in the syntax of bash.")),
  substituteFrom: optional(
    list(
      "ConfigMaps and Secrets whose data are variables and their values.",
      object("A ConfigMap or a Secret.", {
        kind: word("Kind of the referent.", ["Secret", "ConfigMap"]),
        name: text("Name of the referent.", { minLength: 1, maxLength: 253 }),
        optional: optional(flag("Whether it may be absent.", { default: false })),
      }),
    ),
  ),
  substituteStrategy: optional(
    word("Whether text is substituted when there is a variable to substitute (the default), or always.", [
      "WithVariables",
      "Always",
    ]),
  ),
});

const healthCheck = object("An object whose health is looked at.", {
  apiVersion: optional(text("API version of the object.")),
  kind: text("Kind of the object."),
  name: text("Name of the object."),
  namespace: optional(text("Namespace of the object.")),
});

const healthCheckExpression = object("How the health of a kind is told.", {
  apiVersion: text("API version of the kind."),
  kind: optional(text("Name of the kind; all kinds of the API version where it is absent.")),
  current: text("CEL expression that is true when an object is as it should be."),
  inProgress: optional(text("CEL expression that is true while an object is on its way.")),
  failed: optional(text("CEL expression that is true when an object will not get there.")),
});

const image = object("Another image for containers that use this one.", {
  name: text("Name of the image, without tag."),
  newName: optional(text("Name to put in its place.")),
  newTag: optional(text("Tag to put in its place.")),
  digest: optional(text("Digest to put in place of a tag; `newTag` is then without effect.")),
});

const jsonPatch = object("An operation of a JSON patch (RFC 6902).", {
  op: word("What is done.", ["test", "remove", "add", "replace", "move", "copy"]),
  path: text("JSON pointer to where it is done."),
  from: optional(text("JSON pointer to where a value is taken from.")),
  value: optional(anything("The value.")),
});

/** `Kustomization.spec`: KS-001 to KS-003; the last three fields are those of v1beta1 and v1beta2 (KS-241). */
export const kustomizationSpec = object("What to build from which source, and how to apply it.", {
  interval: text("How often the objects are brought back to what the source says.", { pattern: interval }),
  retryInterval: optional(
    text("When a failed pass is tried again, by default after `interval`.", { pattern: interval }),
  ),
  timeout: optional(
    text("How long health checks may take, by default `interval` less 30 seconds; never less than 30 seconds.", {
      pattern: interval,
    }),
  ),
  sourceRef,
  path: optional(text("Directory of the source with the kustomization.yaml or the manifests, by default its root.")),
  prune: flag("Whether objects that are no longer in the source are deleted."),
  deletionPolicy: optional(
    word(
      "What happens to the objects when this one is deleted: as `prune` says (MirrorPrune, the default), or always the same.",
      ["MirrorPrune", "Delete", "WaitForTermination", "Orphan"],
    ),
  ),
  dependsOn: optional(list("Kustomizations that must be ready before this one is applied.", dependency)),
  targetNamespace: optional(text("Namespace that all objects are put in.", { minLength: 1, maxLength: 63 })),
  namePrefix: optional(text("Text before the names of all objects.", { minLength: 1, maxLength: 200 })),
  nameSuffix: optional(text("Text after the names of all objects.", { minLength: 1, maxLength: 200 })),
  commonMetadata: optional(
    object("Labels and annotations that all objects get.", {
      labels: optional(textMap("Labels.")),
      annotations: optional(textMap("Annotations.")),
    }),
  ),
  components: optional(list("Kustomize components to build with.", text("Path of a component, relative to `path`."))),
  ignoreMissingComponents: optional(flag("Whether components that are not in the source are left out.")),
  patches: optional(
    list(
      "Patches to build with.",
      object("A patch.", {
        patch: text("Strategic merge patch or JSON patch."),
        target: optional(object("What it changes.", selector)),
      }),
    ),
  ),
  images: optional(list("Images to build with.", image)),
  buildMetadata: optional(
    list(
      "What kustomize notes on the objects that it builds.",
      word("Where an object comes from, or what changed it.", ["originAnnotations", "transformerAnnotations"]),
    ),
  ),
  postBuild: optional(postBuild),
  decryption: optional(decryption),
  kubeConfig: optional(kubeConfig),
  serviceAccountName: optional(text("ServiceAccount that the objects are applied as.")),
  force: optional(
    flag("Whether objects are created anew when a field that cannot be changed differs.", { default: false }),
  ),
  ignore: optional(
    list(
      "What in the cluster is left as it is.",
      object("Fields of some objects.", {
        paths: list("The fields.", text("JSON pointer to a field (RFC 6901).")),
        target: optional(object("The objects, by default all.", selector)),
      }),
    ),
  ),
  wait: optional(flag("Whether all objects must become healthy; `healthChecks` is then without effect.")),
  healthChecks: optional(list("Objects that must become healthy.", healthCheck)),
  healthCheckExprs: optional(
    list("How the health of kinds that Kubernetes does not know is told.", healthCheckExpression),
  ),
  suspend: optional(flag("Whether the object is left alone.")),
  patchesStrategicMerge: optional(list("Deprecated: use `patches`.", anything("Strategic merge patch."))),
  patchesJson6902: optional(
    list(
      "Deprecated: use `patches`.",
      object("A patch.", { patch: list("Operations.", jsonPatch), target: object("What it changes.", selector) }),
    ),
  ),
  validation: optional(word("Deprecated and without effect.", ["none", "client", "server"])),
});
