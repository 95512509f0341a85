import type { ObjectMeta } from "./object.ts";
import type { TypeOf } from "./schema/field.ts";
import type { helmChartSpec, helmChartStatus } from "./schema/helm-chart.ts";

/** `HelmChart.spec`. */
export type HelmChartSpec = TypeOf<typeof helmChartSpec>;

/** `HelmChart.status`. */
export type HelmChartStatus = TypeOf<typeof helmChartStatus>;

/** A Helm chart of a source, offered as an artifact (sources.md, section 10). */
export type HelmChart = {
  apiVersion: string;
  kind: "HelmChart";
  metadata: ObjectMeta;
  spec: HelmChartSpec;
  status?: HelmChartStatus;
};
