import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { admissionToken, admissionWork, changedReference, parseAdmissionReview } from "./admission.ts";
import { parseWorkItem } from "./work-item.ts";

type Change = {
  operation?: string;
  kind?: { group: string; version: string; kind: string };
  object?: unknown;
  oldObject?: unknown;
  [field: string]: unknown;
};

const kustomization = { group: "kustomize.toolkit.fluxcd.io", version: "v1", kind: "Kustomization" };
const configMap = { group: "", version: "v1", kind: "ConfigMap" };
const owned = { "kustomize.toolkit.fluxcd.io/name": "web", "kustomize.toolkit.fluxcd.io/namespace": "flux-system" };

function work(request: Change) {
  const review = parseAdmissionReview({
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    request: {
      uid: "call-1",
      operation: "UPDATE",
      namespace: "apps",
      name: "web",
      userInfo: { username: "alice" },
      options: { fieldManager: "kubectl-edit" },
      ...request,
    },
  });
  if (review === undefined) throw new Error("not a review");
  return admissionWork("home", review);
}

const at = (generation: number, annotations: Record<string, string> = {}, more: object = {}) => ({
  metadata: { uid: "u", name: "web", generation, annotations, ...more },
});

describe("objects of Sluice's kinds", () => {
  it("SV-01: a new object is looked at as the generation that is about to be stored", () => {
    expect(work({ kind: kustomization, operation: "CREATE", object: at(1), oldObject: null })).toEqual([
      {
        cluster: "home",
        kind: "Kustomization",
        namespace: "apps",
        name: "web",
        cause: { type: "admission", uid: "u", generation: 1 },
      },
    ]);
  });

  it("SV-01: a changed spec names the generation, a request its value, each alone", () => {
    const cause = (request: Change) => work({ kind: kustomization, ...request })[0]?.cause;
    const requested = { "reconcile.fluxcd.io/requestedAt": "now" };
    expect(cause({ object: at(3), oldObject: at(2) })).toEqual({ type: "admission", uid: "u", generation: 3 });
    expect(cause({ object: at(2, requested), oldObject: at(2) })).toEqual({
      type: "admission",
      uid: "u",
      requestedAt: "now",
    });
    expect(cause({ object: at(3, requested), oldObject: at(2, requested) })).toEqual({
      type: "admission",
      uid: "u",
      generation: 3,
    });
  });

  it("CLI-020: a deletion is looked at, whichever call tells of it", () => {
    const deleted = { type: "admission", uid: "u", deleted: true };
    expect(work({ kind: kustomization, operation: "DELETE", object: null, oldObject: at(2) })[0]?.cause).toEqual(
      deleted,
    );
    const object = at(3, {}, { deletionTimestamp: "2026-01-01T00:00:00Z" });
    expect(work({ kind: kustomization, object, oldObject: at(2) })[0]?.cause).toEqual(deleted);
  });

  it("CLI-028: an update that changes neither generation nor request is nothing", () => {
    expect(work({ kind: kustomization, object: at(2, { a: "b" }), oldObject: at(2) })).toEqual([]);
  });

  it.each([
    ["a dry run", { dryRun: true }],
    ["a status write", { subResource: "status" }],
    ["our own write", { options: { fieldManager: "gotk-kustomize-controller" } }],
    ["another operation", { operation: "CONNECT" }],
    ["a kind of the same name in another group", { kind: { ...kustomization, group: "kustomize.config.k8s.io" } }],
    ["a name that is none", { name: "../x" }],
  ])("design decision 5: %s is nothing", (_, request) => {
    expect(work({ kind: kustomization, object: at(3), oldObject: at(2), ...request })).toEqual([]);
  });

  it("design decision 2: a Flux controller in the cluster is somebody else", () => {
    const userInfo = { username: "system:serviceaccount:flux-system:kustomize-controller" };
    const request = {
      kind: kustomization,
      object: at(3),
      oldObject: at(2),
      options: { fieldManager: "kustomize-controller" },
    };
    expect(work({ ...request, userInfo })).toHaveLength(1);
  });
});

describe("managed objects", () => {
  const managed = (data: object, labels: object = owned) => ({ metadata: { uid: "c", labels }, data });

  it("design decision 5: an edit is drift of the owner, and says who made it", () => {
    expect(work({ kind: configMap, object: managed({ a: "2" }), oldObject: managed({ a: "1" }) })).toEqual([
      {
        cluster: "home",
        kind: "Kustomization",
        namespace: "flux-system",
        name: "web",
        cause: { type: "drift", uid: "call-1", by: "alice", object: "ConfigMap/apps/web" },
      },
    ]);
  });

  it("design decision 5: an edit names the state that it overwrites, since the call comes before it is stored", () => {
    const old = { ...managed({ a: "1" }), metadata: { uid: "c", labels: owned, resourceVersion: "7" } };
    const kind = { group: "apps", version: "v1", kind: "Deployment" };
    const [item] = work({ kind, object: managed({ a: "2" }), oldObject: old });
    expect(item?.cause).toMatchObject({
      overwritten: { apiVersion: "apps/v1", kind: "Deployment", namespace: "apps", name: "web", resourceVersion: "7" },
    });
  });

  it("design decision 5: taking the owner's labels off is drift, and so is a deletion", () => {
    const off = work({ kind: configMap, object: managed({}, {}), oldObject: managed({}) });
    const gone = work({ kind: configMap, operation: "DELETE", object: null, oldObject: managed({}) });
    expect([...off, ...gone].map(({ name }) => name)).toEqual(["web", "web"]);
  });

  it("design decision 5: what Sluice prunes and what Kubernetes collects is no drift", () => {
    const options = { kind: "DeleteOptions", preconditions: { uid: "c" } };
    expect(work({ kind: configMap, operation: "DELETE", object: null, oldObject: managed({}), options })).toEqual([]);
    const own = work({
      kind: kustomization,
      operation: "DELETE",
      object: null,
      oldObject: at(2, {}, { labels: owned }),
      options,
    });
    expect(own.map(({ cause }) => cause.type)).toEqual(["admission"]);
  });

  it("design decision 3: a second edit is not taken for the first one delivered again", () => {
    const edit = { kind: configMap, object: managed({ a: "2" }), oldObject: managed({ a: "1" }) };
    expect(work(edit)).not.toEqual(work({ ...edit, uid: "call-2" }));
  });

  it("an object that changes hands is looked at by both owners", () => {
    const other = { ...owned, "kustomize.toolkit.fluxcd.io/name": "api" };
    const items = work({ kind: configMap, object: managed({}, other), oldObject: managed({}) });
    expect(items.map(({ name }) => name)).toEqual(["api", "web"]);
  });

  it("a new status, bookkeeping or a request to reconcile is no drift", () => {
    const before = { ...managed({}), status: { ready: false } };
    const after = {
      ...managed({}),
      metadata: {
        uid: "c",
        labels: owned,
        resourceVersion: "9",
        managedFields: [{}],
        annotations: { "reconcile.fluxcd.io/requestedAt": "now" },
      },
      status: { ready: true },
    };
    expect(work({ kind: configMap, object: after, oldObject: before })).toEqual([]);
  });

  it.each([
    ["what Sluice applied", { options: { fieldManager: "kustomize-controller" } }],
    ["EndpointSlices", { kind: { group: "discovery.k8s.io", version: "v1", kind: "EndpointSlice" } }],
    ["Endpoints", { kind: { group: "", version: "v1", kind: "Endpoints" } }],
  ])("SV-03: %s is no drift", (_, request) => {
    expect(work({ kind: configMap, object: managed({ a: "2" }), oldObject: managed({ a: "1" }), ...request })).toEqual(
      [],
    );
  });
});

describe("tokens and bodies", () => {
  it("design decision 5: a token is one cluster's and one deployment's", () => {
    const token = admissionToken("a seed of this deployment", "home");
    expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(admissionToken("a seed of this deployment", "away")).not.toBe(token);
    expect(admissionToken("a seed of that deployment", "home")).not.toBe(token);
    expect(() => admissionToken("", "home")).toThrow("admission seed");
  });

  it.each([
    [null],
    [[]],
    ["text"],
    [{}],
    [{ kind: "AdmissionReview" }],
    [{ kind: "AdmissionReview", request: { uid: 7 } }],
  ])("TM-002: %j is no review", (value) => {
    expect(parseAdmissionReview(value)).toBeUndefined();
  });

  it("TM-002: whatever JSON comes, it becomes work for well-named objects or none, and never an error", () => {
    const fields = fc.constantFrom(
      "kind",
      "request",
      "uid",
      "object",
      "oldObject",
      "metadata",
      "labels",
      "operation",
      "name",
    );
    const json = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        fc.string(),
        fc.integer(),
        fc.constant(null),
        fc.array(tie("value")),
        tie("fields"),
      ),
      fields: fc.dictionary(fields, tie("value")),
    })).fields;
    const review = fc.record({
      kind: fc.constant("AdmissionReview"),
      request: fc.record(
        {
          uid: fc.string({ minLength: 1 }),
          operation: fc.constantFrom("CREATE", "UPDATE", "DELETE"),
          kind: fc.constant(kustomization),
          namespace: fc.string(),
          name: fc.string(),
          object: json,
          oldObject: json,
        },
        { requiredKeys: ["uid", "operation", "kind"] },
      ),
    });
    fc.assert(
      fc.property(fc.oneof(json, review), (value) => {
        const parsed = parseAdmissionReview(value);
        if (parsed === undefined) return;
        for (const item of admissionWork("home", parsed)) expect(parseWorkItem(JSON.stringify(item))).toEqual(item);
      }),
    );
  });

  it("TM-002: fields of a wrong type are as if they were absent", () => {
    const review = parseAdmissionReview({
      kind: "AdmissionReview",
      request: { uid: "u", kind: 7, object: { metadata: { labels: { a: 1 } } }, options: [], userInfo: "root" },
    });
    expect(review).toMatchObject({ kind: "", username: "", object: { metadata: { labels: {} } } });
  });
});

describe("ConfigMaps and Secrets", () => {
  const settings = {
    metadata: { name: "settings", resourceVersion: "7", labels: { "reconcile.fluxcd.io/watch": "Enabled" } },
  };
  const change = (request: Change) => {
    const review = parseAdmissionReview({
      apiVersion: "admission.k8s.io/v1",
      kind: "AdmissionReview",
      request: { uid: "call-1", operation: "UPDATE", namespace: "apps", name: "settings", kind: configMap, ...request },
    });
    return review === undefined ? undefined : changedReference(review);
  };

  it("KS-009: a change names what is overwritten, with the labels before and after, whoever makes it", () => {
    const unlabelled = { metadata: { name: "settings", resourceVersion: "7" } };
    expect(
      change({ object: settings, oldObject: unlabelled, options: { fieldManager: "kustomize-controller" } }),
    ).toEqual({
      reference: { kind: "ConfigMap", namespace: "apps", name: "settings" },
      labels: [settings.metadata.labels, {}],
      cause: {
        type: "reference",
        uid: "call-1",
        object: "ConfigMap/apps/settings",
        overwritten: { apiVersion: "v1", kind: "ConfigMap", namespace: "apps", name: "settings", resourceVersion: "7" },
      },
    });
    expect(change({ operation: "CREATE", object: settings, oldObject: null })?.cause.overwritten.resourceVersion).toBe(
      "",
    );
    expect(change({ operation: "DELETE", object: null, oldObject: settings })?.labels).toEqual([
      settings.metadata.labels,
    ]);
  });

  it("KS-009: dry runs, subresources and other kinds are none", () => {
    const both = { object: settings, oldObject: settings };
    expect(change({ ...both, dryRun: true })).toBeUndefined();
    expect(change({ ...both, subResource: "status" })).toBeUndefined();
    expect(change({ ...both, kind: { group: "example.org", version: "v1", kind: "ConfigMap" } })).toBeUndefined();
    expect(change({ ...both, kind: { group: "", version: "v1", kind: "Service" } })).toBeUndefined();
  });
});
