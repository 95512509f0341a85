import { describe, expect, it } from "vitest";
import type { KubernetesObject } from "../api/object.ts";
import { maskSecrets } from "./secret-mask.ts";

const secret = (data: Record<string, string>, annotations?: Record<string, string>): KubernetesObject => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: "a", ...(annotations === undefined ? {} : { annotations }) },
  data,
});

describe("maskSecrets", () => {
  it("tells what differs of a Secret, not how", () => {
    const kubectl = "kubectl.kubernetes.io/last-applied-configuration";
    const live = secret({ same: "QQ==", changed: "QQ==", gone: "QQ==" }, { [kubectl]: "QQ==", note: "x" });
    const wanted = secret({ same: "QQ==", changed: "Qg==", come: "Qg==" });
    expect(maskSecrets(live, wanted)).toEqual({
      live: secret({ same: "***", changed: "*** (before)", gone: "***" }, { [kubectl]: "***", note: "x" }),
      wanted: secret({ same: "***", changed: "*** (after)", come: "***" }),
    });
  });

  it("leaves other kinds as they are", () => {
    const map = { ...secret({ a: "b" }), kind: "ConfigMap" };
    expect(maskSecrets(map, map)).toEqual({ live: map, wanted: map });
  });
});
