import type { Case } from "../case.ts";
import { bucketCases } from "./bucket.ts";
import { generatorCases } from "./generator.ts";
import { gitCases } from "./git.ts";
import { gitFailureCases } from "./git-failures.ts";
import { gitVerificationCases } from "./git-verification.ts";
import { helmChartCases } from "./helm-chart.ts";
import { helmRepositoryCases } from "./helm-repository.ts";
import { ociCases } from "./oci.ts";
import { signatureCases } from "./signatures.ts";
import { storageCases } from "./storage.ts";

/** All that is compared. */
export const allCases: readonly Case[] = [
  ...storageCases,
  ...signatureCases,
  ...generatorCases,
  ...helmChartCases,
  ...bucketCases,
  ...helmRepositoryCases,
  ...gitCases,
  ...gitFailureCases,
  ...gitVerificationCases,
  ...ociCases,
];
