import type { TSchema } from "@sinclair/typebox";
import type { KubernetesObject } from "../object.ts";
import type { KindDefinition, PrinterColumn } from "../schema/definition.ts";
import { installLabels } from "./labels.ts";

/** A CustomResourceDefinition (apiextensions.k8s.io/v1), as far as Sluice writes it. */
export type CustomResourceDefinition = KubernetesObject & {
  kind: "CustomResourceDefinition";
  spec: {
    group: string;
    names: {
      kind: string;
      listKind: string;
      plural: string;
      singular: string;
      categories: string[];
      shortNames?: string[];
    };
    scope: "Namespaced";
    conversion: { strategy: "None" };
    versions: CustomResourceVersion[];
  };
};

/** One version of a CustomResourceDefinition. */
export type CustomResourceVersion = {
  name: string;
  served: true;
  storage: boolean;
  deprecated?: true;
  deprecationWarning?: string;
  schema: { openAPIV3Schema: Record<string, unknown> };
  subresources?: { status: Record<string, never> };
  additionalPrinterColumns: PrinterColumn[];
  selectableFields?: { jsonPath: string }[];
};

/**
 * The CustomResourceDefinition of a kind: all versions with one schema and no conversion, so that nothing is pruned
 * whichever version reads or writes; the newest is stored (KS-240, BS-051, BS-052), the others warn (CV-002). Variable
 * substitution leaves it alone (SRC-002).
 */
export function customResourceDefinition(definition: KindDefinition): CustomResourceDefinition {
  const { kind, group, plural, shortNames, category, component, versions } = definition;
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: {
      name: `${plural}.${group}`,
      labels: installLabels(component),
      annotations: { "kustomize.toolkit.fluxcd.io/substitute": "disabled" },
    },
    spec: {
      group,
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        categories: ["all", "fluxcd", category],
        ...(shortNames.length === 0 ? {} : { shortNames }),
      },
      scope: "Namespaced",
      conversion: { strategy: "None" },
      versions: versions.map((name) => version(definition, name)),
    },
  };
}

function version(definition: KindDefinition, name: string): CustomResourceVersion {
  const { kind, status, columns, selectableFields, versions } = definition;
  return {
    name,
    served: true,
    storage: name === versions[0],
    ...(name === versions[0]
      ? {}
      : { deprecated: true, deprecationWarning: `${name} ${kind} is deprecated, upgrade to ${versions[0]}` }),
    schema: { openAPIV3Schema: rootSchema(definition) },
    ...(status === undefined ? {} : { subresources: { status: {} } }),
    additionalPrinterColumns: columns,
    ...(selectableFields.length === 0 ? {} : { selectableFields: selectableFields.map((jsonPath) => ({ jsonPath })) }),
  };
}

function rootSchema({ description, spec, specIsOptional, status }: KindDefinition): Record<string, unknown> {
  return {
    description,
    type: "object",
    ...(specIsOptional === true ? {} : { required: ["spec"] }),
    properties: {
      apiVersion: { description: "API version of the object.", type: "string" },
      kind: { description: "Kind of the object.", type: "string" },
      metadata: { type: "object" },
      spec: plain(spec),
      ...(status === undefined ? {} : { status: plain(status) }),
    },
  };
}

/** The schema as JSON has it: what TypeBox keeps for itself stands under symbols, which JSON drops. */
function plain(schema: TSchema): unknown {
  return JSON.parse(JSON.stringify(schema));
}
