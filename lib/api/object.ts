/** The standard metadata of a Kubernetes object, as far as Sluice reads it; fields it does not name are kept. */
export type ObjectMeta = {
  name: string;
  namespace?: string;
  uid?: string;
  generation?: number;
  resourceVersion?: string;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: { apiVersion: string; kind: string; name: string; uid: string }[];
  managedFields?: ManagedFieldsEntry[];
};

/** One entry of `metadata.managedFields` (server-side apply, KEP-555). */
export type ManagedFieldsEntry = {
  manager: string;
  operation: "Apply" | "Update";
  apiVersion?: string;
  time?: string;
  fieldsType?: string;
  fieldsV1?: Record<string, unknown>;
  subresource?: string;
};

/** Any Kubernetes object: the fields that every kind has, and whatever its kind adds. */
export type KubernetesObject = {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  [field: string]: unknown;
};

/** Names one object of a cluster. Cluster-scoped objects have no namespace. */
export type ObjectReference = { apiVersion: string; kind: string; namespace?: string; name: string };
