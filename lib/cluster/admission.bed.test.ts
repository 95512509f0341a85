import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AdmissionListener, startAdmissionListener } from "../../test/bed/admission-listener.ts";
import { uniqueName } from "../../test/bed/bed.ts";
import { type AppliedSet, beginSet, configMap, linesOf, referenceOf } from "../../test/cluster/applied-set.ts";
import type { KubernetesObject } from "../api/object.ts";
import { createObject, deleteObject, findObject } from "./objects.ts";

let listener: AdmissionListener;

beforeAll(async () => {
  listener = await startAdmissionListener(({ name }) => (name === "bad" ? "not that one" : undefined));
});

afterAll(() => listener.close());

/** Lets a webhook judge the ConfigMaps of a set until the end of an action. */
async function judged(set: AppliedSet, more: Record<string, unknown>, action: (webhook: string) => Promise<void>) {
  const name = `${uniqueName("judge")}.example.org`;
  const rule = { apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE", "UPDATE"], resources: ["configmaps"] };
  const configuration: KubernetesObject = {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingWebhookConfiguration",
    metadata: { name },
    webhooks: [
      {
        name,
        admissionReviewVersions: ["v1"],
        clientConfig: {
          url: `${listener.url}/judge`,
          caBundle: Buffer.from(listener.certificateAuthority).toString("base64"),
        },
        failurePolicy: "Fail",
        sideEffects: "None",
        rules: [rule],
        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": set.namespace } },
        ...more,
      },
    ],
  };
  await createObject(set.admin, configuration);
  try {
    // The API server learns of it a moment later.
    const asked = () => listener.calls.length;
    const before = asked();
    const probe = configMap(set.namespace, "probe");
    await expect
      .poll(
        async () => {
          await createObject(set.admin, probe).catch(() => undefined);
          await deleteObject(set.admin, referenceOf(probe)).catch(() => undefined);
          return asked();
        },
        { timeout: 20_000 },
      )
      .toBeGreaterThan(before);
    await action(name);
  } finally {
    await deleteObject(set.admin, referenceOf(configuration));
  }
}

describe("an admission webhook", () => {
  it("KS-149: that refuses one object of a stage leaves the whole stage unwritten, in the API server's words", async () => {
    const set = await beginSet();
    const objects = [configMap(set.namespace, "a"), configMap(set.namespace, "bad"), configMap(set.namespace, "c")];
    await judged(set, {}, async (webhook) => {
      await expect(set.apply(objects)).rejects.toMatchObject({
        message: `ConfigMap/${set.namespace}/bad dry-run failed (Forbidden): admission webhook "${webhook}" denied the request: not that one`,
        entries: [],
      });
      for (const object of objects) expect(await findObject(set.admin, referenceOf(object))).toBeUndefined();
    });
    const result = await set.apply(objects);
    expect(linesOf(result)).toHaveLength(3);
  });

  it("KS-149: that does not answer leaves the stage unwritten, and is named", async () => {
    const set = await beginSet();
    const object = configMap(set.namespace, "a");
    await judged(set, { timeoutSeconds: 1 }, async (webhook) => {
      await listener.close();
      await expect(set.apply([object])).rejects.toThrow(
        new RegExp(
          `^ConfigMap/${set.namespace}/a dry-run failed \\(InternalError\\): Internal error occurred: failed calling webhook "${webhook}": failed to call webhook: Post `,
        ),
      );
      expect(await findObject(set.admin, referenceOf(object))).toBeUndefined();
      listener = await startAdmissionListener();
    });
  });
});
