import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import {
  AdmissionregistrationV1Api,
  AppsV1Api,
  AuthenticationV1Api,
  CoreV1Api,
  KubeConfig,
} from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createCertificateAuthority, issueCertificate } from "../../platform/local/certificate.ts";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";

let directory: string;
let planes: [ControlPlane, ControlPlane];

function config(plane: ControlPlane): KubeConfig {
  const loaded = new KubeConfig();
  loaded.loadFromString(plane.kubeconfig);
  return loaded;
}

const core = (plane: ControlPlane) => config(plane).makeApiClient(CoreV1Api);

async function gone(read: () => Promise<unknown>): Promise<true> {
  for (;;) {
    const found = await read().then(
      () => true,
      (error: unknown) => !String(error).includes("404"),
    );
    if (!found) return true;
    await wait(100);
  }
}

/** A process that has ended but was not yet reaped by its new parent is gone all the same. */
function alive(pid: number): boolean {
  const { stdout } = spawnSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" });
  return stdout.trim() !== "" && !stdout.trim().startsWith("Z");
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-control-plane-"));
  planes = await Promise.all([
    startControlPlane({ directory: join(directory, "a"), auditLog: join(directory, "audit.log") }),
    startControlPlane({ directory: join(directory, "b") }),
  ]);
}, 900_000);

afterAll(async () => {
  await Promise.all((planes ?? []).map((plane) => plane.stop()));
  await rm(directory, { recursive: true, force: true });
});

describe("the control plane of the test bed", () => {
  it("test bed: two run side by side and know nothing of each other", async () => {
    const [a, b] = planes;
    await core(a).createNamespace({ body: { metadata: { name: "only-in-a" } } });
    const names = (await core(b).listNamespace()).items.map((item) => item.metadata?.name);
    expect(names).toContain("default");
    expect(names).not.toContain("only-in-a");
  });

  it("test bed: a service account gets a token, and RBAC refuses it what nobody granted", async () => {
    const [a] = planes;
    await core(a).createNamespacedServiceAccount({ namespace: "default", body: { metadata: { name: "reader" } } });
    const { status } = await core(a).createNamespacedServiceAccountToken({
      namespace: "default",
      name: "reader",
      body: { spec: { audiences: [], expirationSeconds: 600 } },
    });
    const token = status?.token ?? "";
    const review = await config(a)
      .makeApiClient(AuthenticationV1Api)
      .createTokenReview({ body: { spec: { token } } });
    expect(review.status?.user?.username).toBe("system:serviceaccount:default:reader");
    const asReader = config(a);
    asReader.users = [{ name: "admin", token }];
    await expect(asReader.makeApiClient(CoreV1Api).listNamespace()).rejects.toThrow("403");
  });

  it("test bed: the garbage collector removes what the removed object owned", async () => {
    const [a] = planes;
    const owner = await core(a).createNamespacedConfigMap({
      namespace: "default",
      body: { metadata: { name: "owner" } },
    });
    const uid = owner.metadata?.uid ?? "";
    const ownerReferences = [{ apiVersion: "v1", kind: "ConfigMap", name: "owner", uid }];
    await core(a).createNamespacedConfigMap({
      namespace: "default",
      body: { metadata: { name: "owned", ownerReferences } },
    });
    await core(a).deleteNamespacedConfigMap({ namespace: "default", name: "owner" });
    expect(await gone(() => core(a).readNamespacedConfigMap({ namespace: "default", name: "owned" }))).toBe(true);
  });

  it("test bed: a removed namespace goes with what is in it", async () => {
    const [a] = planes;
    await core(a).createNamespace({ body: { metadata: { name: "doomed" } } });
    await core(a).createNamespacedConfigMap({ namespace: "doomed", body: { metadata: { name: "inside" } } });
    await core(a).deleteNamespace({ name: "doomed" });
    expect(await gone(() => core(a).readNamespace({ name: "doomed" }))).toBe(true);
  });

  it("test bed: a Deployment without replicas is rolled out by its controller", async () => {
    const apps = config(planes[0]).makeApiClient(AppsV1Api);
    const labels = { app: "none" };
    await apps.createNamespacedDeployment({
      namespace: "default",
      body: {
        metadata: { name: "none" },
        spec: {
          replicas: 0,
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: { containers: [{ name: "none", image: "none" }] } },
        },
      },
    });
    const progressed = async (): Promise<string | undefined> => {
      for (;;) {
        const { status } = await apps.readNamespacedDeployment({ namespace: "default", name: "none" });
        const available = status?.conditions?.find((condition) => condition.type === "Available");
        if (status?.observedGeneration === 1 && available !== undefined) return available.status;
        await wait(100);
      }
    };
    expect(await progressed()).toBe("True");
  });

  it("test bed: the API server calls a webhook on the loopback interface whose authority it was given", async () => {
    const [, b] = planes;
    const authority = createCertificateAuthority("webhook");
    const { key, certificate } = issueCertificate(authority, { names: ["127.0.0.1"] });
    const seen: string[] = [];
    const server: Server = createServer({ key, cert: certificate }, (request, response) => {
      request.setEncoding("utf8").once("data", (body: string) => {
        seen.push(request.url ?? "");
        const uid = /"uid":"([^"]+)"/.exec(body)?.[1] ?? "";
        response.setHeader("content-type", "application/json");
        response.end(
          JSON.stringify({
            apiVersion: "admission.k8s.io/v1",
            kind: "AdmissionReview",
            response: { uid, allowed: true },
          }),
        );
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    await config(b)
      .makeApiClient(AdmissionregistrationV1Api)
      .createValidatingWebhookConfiguration({
        body: {
          metadata: { name: "loopback" },
          webhooks: [
            {
              name: "loopback.sluice.test",
              clientConfig: {
                url: `https://127.0.0.1:${port}/admission`,
                caBundle: Buffer.from(authority.certificate).toString("base64"),
              },
              rules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["configmaps"] }],
              sideEffects: "None",
              failurePolicy: "Ignore",
              admissionReviewVersions: ["v1"],
            },
          ],
        },
      });
    for (let n = 0; seen.length === 0; n++) {
      await core(b).createNamespacedConfigMap({ namespace: "default", body: { metadata: { name: `called-${n}` } } });
      await wait(50);
    }
    server.closeAllConnections();
    server.close();
    expect(seen[0]).toMatch(/^\/admission/);
  });

  it("test bed: every request is in the audit log when its answer comes", async () => {
    const [a] = planes;
    await core(a).readNamespace({ name: "kube-system" });
    const events = (await readFile(a.auditLog ?? "", "utf8")).trim().split("\n");
    expect(events.some((event) => event.includes('"requestURI":"/api/v1/namespaces/kube-system"'))).toBe(true);
  });

  it("test bed: a port that is taken fails with the words of the API server", async () => {
    const port = Number(new URL(planes[0].url).port);
    await expect(startControlPlane({ directory: join(directory, "taken"), port })).rejects.toThrow(
      "address already in use",
    );
  });

  it("test bed: nothing outlives a process that was killed", async () => {
    const script = join(directory, "killed.ts");
    const source = join(import.meta.dirname, "control-plane.ts");
    await writeFile(
      script,
      `import { startControlPlane } from ${JSON.stringify(source)};
       const plane = await startControlPlane({ directory: ${JSON.stringify(join(directory, "killed"))} });
       console.log([plane.etcdPid, plane.apiServerPid, plane.controllerManagerPid].join(" "));`,
    );
    const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
    const [line]: unknown[] = await once(child.stdout.setEncoding("utf8"), "data");
    const pids = String(line).trim().split(" ").map(Number);
    expect(pids.map(alive)).toEqual([true, true, true]);
    child.kill("SIGKILL");
    while (pids.some(alive)) await wait(50);
    expect(pids.map(alive)).toEqual([false, false, false]);
  });
});
