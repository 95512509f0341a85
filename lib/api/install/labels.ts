/** Namespace of the installation: Flux's own, so that the flux CLI finds it without being told. */
export const runtimeNamespace = "flux-system";

/** The Flux release that the kinds, placeholders and RBAC equal. The flux CLI prints it as the distribution (BS-043). */
export const fluxVersion = "v2.9.4";

/** The labels of Flux's own install (BS-002): by them the flux CLI finds, checks and removes what was installed. */
export function installLabels(component?: string): Record<string, string> {
  return {
    ...(component === undefined ? {} : { "app.kubernetes.io/component": component }),
    "app.kubernetes.io/instance": runtimeNamespace,
    "app.kubernetes.io/part-of": "flux",
    "app.kubernetes.io/version": fluxVersion,
  };
}
