import { describe, expect, it } from "vitest";
import { beginSet, configMap, linesOf, referenceOf, service } from "../../test/cluster/applied-set.ts";
import type { KubernetesObject } from "../api/object.ts";
import { ApiError } from "./api-error.ts";
import { ApplyFailed } from "./apply.ts";
import type { ClusterClient } from "./client.ts";
import { createObject, findObject } from "./objects.ts";

/** Refuses to store what is named `bad` in this namespace, but lets it be tried. */
async function refuseBad(admin: ClusterClient, namespace: string): Promise<void> {
  const apiVersion = "admissionregistration.k8s.io/v1";
  const rule = { apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE", "UPDATE"], resources: ["configmaps"] };
  const namespaceSelector = { matchLabels: { "kubernetes.io/metadata.name": namespace } };
  const expression = "object.metadata.name != 'bad' || (has(request.dryRun) && request.dryRun)";
  const policy: KubernetesObject = {
    apiVersion,
    kind: "ValidatingAdmissionPolicy",
    metadata: { name: namespace },
    spec: {
      failurePolicy: "Fail",
      matchConstraints: { resourceRules: [rule], namespaceSelector },
      validations: [{ expression, message: "not that one" }],
    },
  };
  await createObject(admin, policy);
  const spec = { policyName: namespace, validationActions: ["Deny"] };
  await createObject(admin, {
    apiVersion,
    kind: "ValidatingAdmissionPolicyBinding",
    metadata: { name: namespace },
    spec,
  });
  await expect
    .poll(
      async () => {
        try {
          await createObject(admin, configMap(namespace, "bad"));
        } catch (error) {
          return error instanceof ApiError && error.message.includes("not that one");
        }
        await admin.request({ method: "DELETE", path: `/api/v1/namespaces/${namespace}/configmaps/bad` });
        return false;
      },
      { timeout: 20_000, interval: 200 },
    )
    .toBe(true);
}

describe("a failure in the middle of a stage", () => {
  it("SN-13, KS-149: what was written is told, is in the record, and is not applied again", async () => {
    const set = await beginSet();
    await refuseBad(set.admin, set.namespace);
    const objects = [configMap(set.namespace, "a"), configMap(set.namespace, "bad"), service(set.namespace, "after")];
    const error = await set.apply(objects).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(ApplyFailed);
    if (!(error instanceof ApplyFailed)) return;
    expect(error.message).toMatch(
      new RegExp(
        `^ConfigMap/${set.namespace}/bad apply failed: configmaps "bad" is forbidden: ValidatingAdmissionPolicy .*not that one`,
      ),
    );
    expect(linesOf({ entries: [...error.entries] })).toEqual([`ConfigMap/${set.namespace}/a created`]);
    expect(await findObject(set.admin, referenceOf(service(set.namespace, "after")))).toBeUndefined();

    const mended = [configMap(set.namespace, "a"), configMap(set.namespace, "b"), service(set.namespace, "after")];
    const { result, sent } = await set.requestsOf(() => set.apply(mended, { record: error.record }));
    expect(result.entries.map(({ action }) => action)).toEqual(["unchanged", "created", "created"]);
    expect(sent).toHaveLength(1 + 2 * 2);
  });
});
