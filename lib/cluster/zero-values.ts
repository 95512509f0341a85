import { isFields } from "../text/fields.ts";

/**
 * Fields of Kubernetes' own kinds that its Go types (k8s.io/api v0.36) leave out of JSON where their value is the zero value: those
 * with `omitempty` that are no pointers. `parent.field` where others of the name are kept.
 */
const omitted: { [type in "flag" | "number" | "text" | "list" | "map"]: readonly string[] } = {
  flag: [
    "awsElasticBlockStore.readOnly azureFile.readOnly cephfs.readOnly chapAuthDiscovery chapAuthSession",
    "cinder.readOnly fc.readOnly flexVolume.readOnly gcePersistentDisk.readOnly globalDefault glusterfs.readOnly",
    "hostIPC hostNetwork hostPID iscsi.readOnly nfs.readOnly paused persistentVolumeClaim.readOnly",
    "portworxVolume.readOnly publishNotReadyAddresses quobyte.readOnly rbd.readOnly scaleIO.readOnly sslEnabled",
    "stdin stdinOnce storageos.readOnly tty unschedulable volumeMounts.readOnly",
  ],
  number: [
    "awsElasticBlockStore.partition failureThreshold gcePersistentDisk.partition healthCheckNodePort hostPort",
    "initialDelaySeconds livenessProbe.periodSeconds livenessProbe.timeoutSeconds minReadySeconds nodePort number",
    "readinessProbe.periodSeconds readinessProbe.timeoutSeconds startupProbe.periodSeconds",
    "startupProbe.timeoutSeconds successThreshold",
  ],
  text: [
    "addresses.hostname awsElasticBlockStore.fsType caBundle cephfs.path certificateChainPath cinder.fsType",
    "claimRef.fieldPath claimRef.name claimRef.namespace clusterIP concurrencyPolicy configMapKeyRef.name",
    "configMapRef.name containers.image controller controllerExpandSecretRef.name",
    "controllerExpandSecretRef.namespace controllerPublishSecretRef.name controllerPublishSecretRef.namespace",
    "credentialBundlePath datasetName datasetUUID description directory dnsPolicy env.value",
    "ephemeralContainers.image exitCodes.operator externalID externalName externalTrafficPolicy fc.fsType",
    "flexVolume.fsType gcePersistentDisk.fsType group host hostIP httpGet.path imagePullPolicy",
    "imagePullSecrets.name initContainers.image iscsi.fsType iscsiInterface keyPath keyType keyring level",
    "loadBalancerIP medium message messageExpression nodeExpandSecretRef.name nodeExpandSecretRef.namespace",
    "nodePublishSecretRef.name nodePublishSecretRef.namespace nodeStageSecretRef.name nodeStageSecretRef.namespace",
    "notReadyAddresses.hostname options.name paramRef.name paramRef.namespace paths.path",
    "persistentVolumeReclaimPolicy photonPersistentDisk.fsType podCIDR podCertificate.signerName",
    "podManagementPolicy policyName pool port.name ports.name portworxVolume.fsType prefix priorityClassName",
    "protectionDomain providerID pullPolicy rbd.fsType reference resourceFieldRef.containerName",
    "restartPolicyRules.action revision role scaleIO.fsType scaleIO.volumeName schedulerName scheme",
    "seLinuxOptions.type secret.name secret.secretName secretFile secretKeyRef.name secretRef.fieldPath",
    "secretRef.name secretRef.namespace secrets.fieldPath secrets.name secrets.namespace serviceAccount",
    "serviceAccountName serviceAccountToken.audience sessionAffinity spec.hostname spec.nodeName spec.restartPolicy",
    "spec.type spec.volumeName storageMode storagePolicyID storagePolicyName storagePool storageos.fsType",
    "storageos.volumeName strategy.type subPath subPathExpr subdomain subjects.apiGroup subjects.namespace",
    "taints.value targetContainerName targetRef.fieldPath targetRef.name targetRef.namespace tenant",
    "terminationMessagePath terminationMessagePolicy tls.secretName tolerations.effect tolerations.key",
    "tolerations.operator tolerations.value updateStrategy.type user volumeNamespace vsphereVolume.fsType",
    "whenDeleted whenScaled workingDir",
  ],
  list: [
    "accessModes add allowedTopologies apiGroups apiVersions args auditAnnotations claims clusterIPs command",
    "containers.ports drop egress egress.ports env envFrom ephemeralContainers ephemeralContainers.ports except",
    "excludeResourceRules exitCodes.values externalIPs finalizers forNodes forZones from hostAliases hostnames",
    "hosts httpHeaders imagePullSecrets ingress ingress.ports initContainers initContainers.ports ipFamilies items",
    "loadBalancerSourceRanges matchConditions matchExpressions matchExpressions.values matchFields",
    "matchFields.values matchLabelExpressions matchLabelKeys metrics mismatchLabelKeys mountOptions nameservers",
    "namespaces notReadyAddresses onPodConditions operations options ownerReferences podCIDRs policies policyTypes",
    "portals preferredDuringSchedulingIgnoredDuringExecution readinessGates",
    "requiredDuringSchedulingIgnoredDuringExecution resizePolicy resourceClaims resourceNames resourceRules",
    "resources restartPolicyRules schedulingGates scopes searches secrets spec.ports spec.rules subjects subsets",
    "subsets.addresses subsets.ports supplementalGroups sysctls taints targetWWNs tls to tokenRequests tolerations",
    "topologySpreadConstraints validationActions validations variables volumeClaimTemplates volumeDevices",
    "volumeLifecycleModes volumeMounts volumes webhooks webhooks.rules wwids",
  ],
  map: [
    "annotations binaryData capacity data default defaultRequest deprecatedTopology hard labels limits matchLabels",
    "max maxLimitRequestRatio min nodeSelector options podFixed requests spec.overhead stringData userAnnotations",
    "volumeAttributes",
  ],
};

/** Fields whose keys are of the user's choice. */
const free = new Set(
  "annotations binaryData capacity data default defaultRequest deprecatedTopology hard labels limits matchLabels max maxLimitRequestRatio min nodeSelector options overhead parameters podFixed requests selector stringData userAnnotations volumeAttributes".split(
    " ",
  ),
);

const names = new Map(
  Object.entries(omitted).map(([type, lines]) => [type, new Set(lines.flatMap((line) => line.split(" ")))]),
);

/**
 * An object of one of Kubernetes' own kinds without the fields whose value is none (`hostNetwork: false`, `volumeName: ""`), as Flux sends
 * it (KS-077): whoever sends them owns them, and an empty text may be refused where the API server has filled it in.
 */
export function withoutZeroValues(value: unknown, parent = ""): unknown {
  if (Array.isArray(value)) return value.map((item) => withoutZeroValues(item, parent));
  if (!isFields(value)) return value;
  const kept = Object.entries(value).filter(([field, entry]) => !isOmitted(field, parent, entry));
  return Object.fromEntries(
    kept.map(([field, entry]) => [field, isFields(entry) && free.has(field) ? entry : withoutZeroValues(entry, field)]),
  );
}

function isOmitted(field: string, parent: string, value: unknown): boolean {
  const type = zeroType(value);
  const fields = type === undefined ? undefined : names.get(type);
  return fields !== undefined && (fields.has(field) || fields.has(`${parent}.${field}`));
}

function zeroType(value: unknown): keyof typeof omitted | undefined {
  if (value === false) return "flag";
  if (value === 0) return "number";
  if (value === "") return "text";
  if (Array.isArray(value)) return value.length === 0 ? "list" : undefined;
  return isFields(value) && Object.keys(value).length === 0 ? "map" : undefined;
}
