import { X509Certificate } from "node:crypto";
import type { KubernetesObject } from "../api/object.ts";
import { isFields } from "../text/fields.ts";
import type { ApplyOptions } from "./apply.ts";
import { knownResource } from "./known-resources.ts";
import { groupOf } from "./order.ts";
import { recordsAt, valueAt } from "./unstructured.ts";
import { withoutZeroValues } from "./zero-values.ts";

/**
 * An object as it is sent: with the set's labels and annotations (KS-155, KS-079), and without what only the API server
 * writes (KS-077). Kinds of Kubernetes itself lose nulls and empty values, their ports get the protocol that the API server would default too late, and
 * a Secret's `stringData` becomes `data`. The object given is not changed.
 */
export function prepareObject(
  object: KubernetesObject,
  { ownerLabels, commonMetadata }: Pick<ApplyOptions, "ownerLabels" | "commonMetadata">,
): KubernetesObject {
  const isDefinition =
    object.kind === "CustomResourceDefinition" && groupOf(object.apiVersion) === "apiextensions.k8s.io";
  const { status, ...rest } = object;
  const { managedFields: _managed, creationTimestamp: _created, ...metadata } = object.metadata;
  // A value that is no text is kept: the API server says so, with its name.
  const labels = { ...metadata.labels, ...ownerLabels, ...commonMetadata?.labels };
  const annotations = { ...metadata.annotations, ...commonMetadata?.annotations };
  const hasAnnotations = metadata.annotations !== undefined || Object.keys(annotations).length > 0;
  const prepared: KubernetesObject = {
    ...rest,
    ...(isDefinition && status !== undefined ? { status } : {}),
    metadata: { ...metadata, labels, ...(hasAnnotations ? { annotations } : {}) },
  };
  if (isDefinition) return withoutBadAuthority(prepared);
  return knownResource(object.apiVersion, object.kind) === undefined ? prepared : normalise(prepared);
}

/** Roles stay as they are written: Flux leaves them alone too. */
function normalise(object: KubernetesObject): KubernetesObject {
  if (object.apiVersion === "rbac.authorization.k8s.io/v1" && /^(Cluster)?Role$/.test(object.kind)) return object;
  const clean = withoutZeroValues(withoutNulls(object));
  if (!isObject(clean)) return object;
  if (clean.apiVersion === "v1" && clean.kind === "Secret") return withData(clean);
  for (const ports of portsOf(clean)) {
    for (const port of ports) port.protocol ||= "TCP";
  }
  return clean;
}

/** Quantities, which the API server reads as zero where they are null. */
const quantityMaps = new Set(["limits", "requests", "hard", "capacity", "overhead"]);
/** Values that are texts and stay where they are null; elsewhere null means that a field is not set. */
const textMaps = new Set(["labels", "annotations", "matchLabels", "nodeSelector", "data", "stringData"]);

function withoutNulls(value: unknown, field = ""): unknown {
  if (Array.isArray(value)) return value.map((entry) => withoutNulls(entry));
  if (!isFields(value)) return value;
  if (quantityMaps.has(field)) return value;
  const entries = Object.entries(value);
  if (textMaps.has(field)) return Object.fromEntries(entries.map(([key, text]) => [key, text ?? ""]));
  return Object.fromEntries(
    entries.filter(([, entry]) => entry !== null).map(([key, entry]) => [key, withoutNulls(entry, key)]),
  );
}

function withData(secret: KubernetesObject): KubernetesObject {
  const { stringData, ...rest } = secret;
  if (!isFields(stringData)) return secret;
  const encoded = Object.entries(stringData).map(([key, text]) => [key, Buffer.from(String(text)).toString("base64")]);
  const { apiVersion, kind, metadata } = secret;
  return { ...rest, apiVersion, kind, metadata, data: { ...asRecord(secret.data), ...Object.fromEntries(encoded) } };
}

/** The lists of ports in which a missing protocol would not be matched with its default. */
function portsOf(object: KubernetesObject): Record<string, unknown>[][] {
  if (object.kind === "Service") return [recordsAt(object, "spec", "ports")];
  const pod =
    object.kind === "Pod"
      ? object.spec
      : object.kind === "CronJob"
        ? valueAt(object, "spec", "jobTemplate", "spec", "template", "spec")
        : valueAt(object, "spec", "template", "spec");
  return recordsAt(pod, "containers").map((container) => recordsAt(container, "ports"));
}

/** KS-078: a conversion webhook's `caBundle` that holds no certificate is left to who injects it. */
function withoutBadAuthority(definition: KubernetesObject): KubernetesObject {
  const path = ["spec", "conversion", "webhook", "clientConfig"];
  const bundle = valueAt(definition, ...path, "caBundle");
  if (typeof bundle !== "string" || bundle === "" || isCertificates(bundle)) return definition;
  const copy = structuredClone(definition);
  const config = valueAt(copy, ...path);
  if (isFields(config)) delete config.caBundle;
  return copy;
}

function isCertificates(bundle: string): boolean {
  const text = Buffer.from(bundle, "base64").toString("latin1");
  try {
    const blocks = text.match(/-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs) ?? [];
    return blocks.length > 0 && blocks.every((block) => new X509Certificate(block).raw.length > 0);
  } catch {
    return false;
  }
}

function asRecord(value: unknown): Record<string, unknown> {
  return isFields(value) ? value : {};
}

function isObject(value: unknown): value is KubernetesObject {
  return isFields(value) && isFields(value.metadata) && typeof value.kind === "string";
}
