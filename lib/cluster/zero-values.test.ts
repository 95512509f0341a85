import { describe, expect, it } from "vitest";
import { withoutZeroValues } from "./zero-values.ts";

describe("withoutZeroValues", () => {
  it("KS-077: leaves out what Go's types leave out, and keeps what they keep", () => {
    const container = { name: "", image: "", env: [{ name: "A", value: "" }], tty: false, args: [], resources: {} };
    const security = { runAsUser: 0, runAsNonRoot: false, privileged: false };
    const pod = {
      hostNetwork: false,
      nodeName: "",
      nodeSelector: {},
      containers: [{ ...container, securityContext: security, livenessProbe: { periodSeconds: 0 } }],
      volumes: [{ name: "v", emptyDir: {}, configMap: { name: "m", optional: false, defaultMode: 0 } }],
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
    };
    const spec = { replicas: 0, paused: false, minReadySeconds: 0, selector: { matchLabels: { tty: "" } } };
    const metadata = { name: "a", labels: { paused: "" }, annotations: {} };
    expect(withoutZeroValues({ metadata, spec: { ...spec, strategy: {}, template: { spec: pod } } })).toEqual({
      metadata: { name: "a", labels: { paused: "" } },
      spec: {
        replicas: 0,
        selector: { matchLabels: { tty: "" } },
        strategy: {},
        template: {
          spec: {
            containers: [
              { name: "", env: [{ name: "A" }], resources: {}, securityContext: security, livenessProbe: {} },
            ],
            volumes: [{ name: "v", emptyDir: {}, configMap: { name: "m", optional: false, defaultMode: 0 } }],
            terminationGracePeriodSeconds: 0,
            automountServiceAccountToken: false,
          },
        },
      },
    });
  });

  it("KS-077: tells fields of one name apart by what they are in, and leaves the user's own keys", () => {
    const claim = { spec: { storageClassName: "", volumeName: "", volumeMode: "" } };
    expect(withoutZeroValues(claim)).toEqual({ spec: { storageClassName: "", volumeMode: "" } });
    const data = { data: { paused: "", description: "" }, stringData: { tty: "" } };
    expect(withoutZeroValues(data)).toEqual(data);
    const service = {
      spec: { clusterIP: "", type: "", ports: [{ port: 0, nodePort: 0, targetPort: 0 }], selector: { role: "" } },
    };
    expect(withoutZeroValues(service)).toEqual({
      spec: { ports: [{ port: 0, targetPort: 0 }], selector: { role: "" } },
    });
  });
});
