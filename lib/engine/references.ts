import type { KubernetesObject } from "../api/object.ts";
import type { ClusterClient } from "../cluster/client.ts";
import type { Component } from "./kinds.ts";
import { kinds, pathOf } from "./kinds.ts";
import type { Kind } from "./work-item.ts";

/** The kinds of Kubernetes' own that Sluice's objects take values from. */
export type ReferredKind = "ConfigMap" | "Secret";

/** Names a ConfigMap or Secret, in the namespace of whoever refers to it. */
type Reference = { kind: ReferredKind; name: string };

/** What an object of each kind refers to, in its own namespace (KS-009). A kind that takes no values is not named here. */
const references: Partial<Record<Kind, (object: KubernetesObject) => Reference[]>> = {
  Kustomization: (object) => {
    const { postBuild, kubeConfig, decryption } = specOf(object);
    return [
      ...(postBuild?.substituteFrom ?? []),
      ...named("Secret", kubeConfig?.secretRef),
      ...named("ConfigMap", kubeConfig?.configMapRef),
      ...named("Secret", decryption?.secretRef),
    ];
  },
  // SB-012: a key that is taken away counts at once where its Secret is watched.
  GitRepository: (object) => named("Secret", specOf(object).verify?.secretRef),
};

/** The controllers whose objects take values from ConfigMaps and Secrets: their flags say which of these are watched. */
export const watchers: ReadonlySet<Component> = new Set(
  Object.values(kinds).flatMap(({ kind, component }) => (references[kind] === undefined ? [] : [component])),
);

/** The objects of a component's kinds that refer to a ConfigMap or Secret of their namespace. One LIST for each kind. Throws ApiError. */
export async function usersOfReference(
  cluster: ClusterClient,
  component: Component,
  { kind, namespace, name }: Reference & { namespace: string },
): Promise<{ kind: Kind; namespace: string; name: string }[]> {
  const asked = Object.values(kinds).filter((known) => known.component === component);
  const found = await Promise.all(
    asked.map(async (user) => {
      const referencesOf = references[user.kind];
      if (referencesOf === undefined) return [];
      const { items } = await cluster.request<{ items: KubernetesObject[] }>({
        method: "GET",
        path: pathOf(user.kind, namespace),
      });
      const users = items.filter((item) => referencesOf(item).some((each) => each.kind === kind && each.name === name));
      return users.map(({ metadata }) => ({ kind: user.kind, namespace, name: metadata.name }));
    }),
  );
  return found.flat();
}

type ReferringSpec = {
  postBuild?: { substituteFrom?: Reference[] };
  kubeConfig?: { secretRef?: { name: string }; configMapRef?: { name: string } };
  decryption?: { secretRef?: { name: string } };
  verify?: { secretRef?: { name: string } };
};

/** The fields that name others; the kind's schema has validated them. */
function specOf({ spec }: KubernetesObject & { spec?: ReferringSpec }): ReferringSpec {
  return spec ?? {};
}

function named(kind: ReferredKind, reference: { name: string } | undefined): Reference[] {
  return reference === undefined ? [] : [{ kind, name: reference.name }];
}
