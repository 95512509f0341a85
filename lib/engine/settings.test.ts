import { describe, expect, it } from "vitest";
import type { Logger } from "../platform/ports.ts";
import { parseSettings } from "./settings.ts";

const complaints: string[] = [];
const log: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: (message) => complaints.push(message),
  child: () => log,
};
const read = (...args: string[]) => parseSettings(args, "flux-system", log);

describe("the flags of a placeholder", () => {
  it("KS section 16: without flags everything is Flux's default", () => {
    expect(read()).toMatchObject({
      watchAllNamespaces: true,
      watchLabelSelector: "",
      requeueDependencySeconds: 30,
      minRetryDelaySeconds: 0.75,
      maxRetryDelaySeconds: 900,
      noCrossNamespaceRefs: false,
      noRemoteBases: false,
      defaultServiceAccount: "",
      defaultDecryptionServiceAccount: "",
      sopsAgeSecret: "",
      sopsVaultConfigmap: "",
      defaultKubeconfigServiceAccount: "",
      insecureKubeconfigExec: false,
      insecureKubeconfigTls: false,
      tokenCacheMaxSize: 100,
      tokenCacheMaxSeconds: 3600,
      concurrentSsa: 4,
      artifactRetentionSeconds: 60,
      artifactRetentionRecords: 2,
      featureGates: {},
    });
  });

  it("KS section 16: a flag is read in all spellings that pflag knows, and the last one counts", () => {
    expect(read("--requeue-dependency=5s").requeueDependencySeconds).toBe(5);
    expect(read("--requeue-dependency", "1m30s").requeueDependencySeconds).toBe(90);
    expect(read("--no-cross-namespace-refs").noCrossNamespaceRefs).toBe(true);
    expect(read("--no-cross-namespace-refs", "--no-cross-namespace-refs=false").noCrossNamespaceRefs).toBe(false);
    expect(read("--override-manager=a", "--override-manager=b,c").overrideManagers).toEqual(["a", "b", "c"]);
    expect(read("--feature-gates=ExternalArtifact=true", "--feature-gates=GroupChangeLog=false").featureGates).toEqual({
      ...{ ExternalArtifact: true, GroupChangeLog: false },
    });
  });

  it("DEF-002, ART-019: the largest index, chart and file of a chart are those of Flux, or what the flags say", () => {
    const sizes = { helmIndexMaxBytes: 52_428_800, helmChartMaxBytes: 10_485_760, helmChartFileMaxBytes: 5_242_880 };
    expect(read()).toMatchObject(sizes);
    expect(read("--helm-index-max-size=104857600").helmIndexMaxBytes).toBe(104_857_600);
    expect(read("--helm-chart-max-size=1000", "--helm-chart-file-max-size=10")).toMatchObject({
      helmChartMaxBytes: 1000,
      helmChartFileMaxBytes: 10,
    });
    // Sluice opens a stored index without reading it: there is nothing that a cache of indexes would spare (HR-017).
    expect(read("--helm-cache-max-size=10", "--helm-cache-ttl=1h", "--helm-cache-purge-interval=5m")).toMatchObject(
      sizes,
    );
  });

  it("DEF-001: source-controller's defaults are Flux's", () => {
    expect(parseSettings([], "flux-system", log, {}, "source-controller")).toMatchObject({
      ...{ requeueDependencySeconds: 30, minRetryDelaySeconds: 0.75, maxRetryDelaySeconds: 900 },
      ...{ artifactRetentionSeconds: 60, artifactRetentionRecords: 2, artifactDigestAlgorithm: "sha256" },
    });
    expect(read("--min-retry-delay=2s", "--max-retry-delay=1m", "--artifact-retention-ttl=5m")).toMatchObject({
      ...{ minRetryDelaySeconds: 2, maxRetryDelaySeconds: 60, artifactRetentionSeconds: 300 },
    });
    expect(read("--artifact-digest-algo=blake3").artifactDigestAlgorithm).toBe("blake3");
    expect(read("--artifact-digest-algo=md5").artifactDigestAlgorithm).toBe("sha256");
  });

  it("DEF-003: tokens are kept for an hour, no account is a default, every object is handled and SSH has the usual algorithms", () => {
    expect(read()).toMatchObject({
      ...{ tokenCacheMaxSize: 100, tokenCacheMaxSeconds: 3600, defaultServiceAccount: "" },
      ...{ sshKexAlgos: [], sshHostKeyAlgos: [], watchAllNamespaces: true, watchLabelSelector: "" },
    });
    expect(read("--ssh-kex-algos=a,b", "--ssh-hostkey-algos=c", "--default-service-account=d")).toMatchObject({
      ...{ sshKexAlgos: ["a", "b"], sshHostKeyAlgos: ["c"], defaultServiceAccount: "d" },
    });
  });

  it("DEF-004: no gate is on that is not turned on, and one that its controller does not know is told of and turns nothing on", () => {
    const ofComponent = (component: string, gates: string) => {
      complaints.length = 0;
      return parseSettings([`--feature-gates=${gates}`], "flux-system", log, {}, component).featureGates;
    };
    expect(read().featureGates).toEqual({});
    expect(read("--feature-gates=ObjectLevelWorkloadIdentity=true").featureGates).toEqual({
      ObjectLevelWorkloadIdentity: true,
    });
    const gates = "CacheSecretsAndConfigMaps=false,ObjectLevelWorkloadIdentity=T";
    expect(ofComponent("source-controller", gates)).toEqual({
      ...{ CacheSecretsAndConfigMaps: false, ObjectLevelWorkloadIdentity: true },
    });
    expect(complaints).toEqual([]);
    expect(ofComponent("source-watcher", "DirectSourceFetch=false, DirectSourceFetch=1")).toEqual({
      DirectSourceFetch: true,
    });
    expect(complaints).toEqual([]);
    expect(ofComponent("helm-controller", "DetectDrift=true,AnyOther=true")).toMatchObject({ DetectDrift: true });
    expect(complaints).toEqual([]);
    expect(ofComponent("source-watcher", "ObjectLevelWorkloadIdentity=true")).toEqual({});
    expect(
      ofComponent("kustomize-controller", "externalArtifact=true,ExternalArtifact=perhaps,GroupChangeLog"),
    ).toEqual({});
    expect(complaints.map((words) => words.replace(/: it is not looked at$/, ""))).toEqual([
      `invalid argument "ExternalArtifact=perhaps" for "--feature-gates" flag: invalid value of ExternalArtifact: perhaps, err: strconv.ParseBool: parsing "perhaps": invalid syntax`,
      `invalid argument "GroupChangeLog" for "--feature-gates" flag: malformed pair, expect string=bool`,
      "unable to load feature gates: feature-gate 'externalArtifact' not supported",
    ]);
  });

  it("DEF-005: source-watcher looks again at what it waits for after five seconds", () => {
    const ofWatcher = (...args: string[]) => parseSettings(args, "flux-system", log, {}, "source-watcher");
    expect(ofWatcher()).toMatchObject({ requeueDependencySeconds: 5, noCrossNamespaceRefs: false });
    expect(ofWatcher("--requeue-dependency=7s").requeueDependencySeconds).toBe(7);
  });

  it("KS-217: no flag keeps a token for more than an hour", () => {
    expect(read("--token-cache-max-duration=24h").tokenCacheMaxSeconds).toBe(3600);
    expect(read("--token-cache-max-duration=5m", "--token-cache-max-size=0")).toMatchObject({
      tokenCacheMaxSeconds: 300,
      tokenCacheMaxSize: 0,
    });
  });

  it("MT-004, MT-007: a lockdown that is not spelt well is one, and is complained of", () => {
    expect(read("--no-cross-namespace-refs=yes").noCrossNamespaceRefs).toBe(true);
    expect(complaints.at(-1)).toContain("--no-cross-namespace-refs");
    expect(read("--no-remote-bases=ture").noRemoteBases).toBe(true);
    expect(read("--no-remote-bases=false").noRemoteBases).toBe(false);
  });

  it("KS section 16: a value that cannot be read leaves the default and is complained of", () => {
    expect(read("--requeue-dependency=soon").requeueDependencySeconds).toBe(30);
    expect(complaints.at(-1)).toContain("--requeue-dependency");
    expect(read("--concurrent-ssa=many").concurrentSsa).toBe(4);
    expect(read("--watch-all-namespaces=perhaps").watchAllNamespaces).toBe(true);
    expect(read().watchConfigsLabelSelector).toBe("reconcile.fluxcd.io/watch=Enabled");
    expect(read("--watch-configs-label-selector=").watchConfigsLabelSelector).toBe("");
  });
});
