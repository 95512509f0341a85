import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { deleteObject } from "../lib/cluster/objects.ts";
import type { GitRepository } from "../lib/host/git/repository.ts";
import { type ChatService, startChatService } from "./bed/chat-service.ts";
import { apiVersions, configMap, openWorkspace, type Workspace } from "./bed/workspace.ts";

let workspace: Workspace;
let repository: GitRepository;
let chat: ChatService;

beforeAll(async () => {
  workspace = await openWorkspace("alerts");
  chat = await startChatService();
  const add = (kind: "Provider" | "Alert", name: string, spec: object) =>
    workspace.create({ apiVersion: apiVersions[kind], kind, metadata: { name }, spec });
  const sources = ["GitRepository", "Kustomization"].map((kind) => ({ kind, name: "*" }));
  await add("Provider", "chat", { type: "slack", address: `${chat.url}/services/T/B/x`, channel: "ops" });
  await add("Provider", "down", { type: "generic", address: "http://127.0.0.1:1" });
  await add("Alert", "all", { providerRef: { name: "chat" }, eventSources: sources, eventMetadata: { cluster: "eu" } });
  await add("Alert", "down", { providerRef: { name: "down" }, eventSources: sources });
  repository = await workspace.repository({ "app/config.yaml": configMap("config", { colour: "blue" }) });
  await workspace.gitRepository("source", repository.url);
  await workspace.kustomization("app", { path: "./app" });
  await workspace.untilReady("Kustomization", "app");
});

afterAll(async () => {
  // Or Sluice, which outlives this file, would go on trying to tell of it.
  for (const name of ["all", "down"])
    await deleteObject(workspace.client, {
      apiVersion: apiVersions.Alert,
      kind: "Alert",
      namespace: workspace.namespace,
      name,
    });
  await workspace?.close();
  chat?.close();
});

type Attachment = { author_name: string; color: string; text: string; fields: { title: string; value: string }[] };

/** What the channel shows so far. */
function said(): { username: string; attachment: Attachment }[] {
  return chat.posted.map(({ body }) => {
    const { username, attachments } = JSON.parse(body);
    return { username, attachment: attachments[0] };
  });
}

const about = (author: string) =>
  said().filter(({ attachment }) => attachment.author_name === `${author}.${workspace.namespace}`);

const field = ({ attachment }: ReturnType<typeof said>[number], title: string) =>
  attachment.fields.find((entry) => entry.title === title)?.value;

describe("a channel that listens", () => {
  it("EV-004, EV-005, PV-010: hears of a fetched commit and of what was applied, by Flux's names", async () => {
    await expect
      .poll(() => [about("gitrepository/source").length, about("kustomization/app").length > 0], { timeout: 10_000 })
      .toEqual([1, true]);
    const commit = (await repository.git(["rev-parse", "main"])).trim();
    const [fetched] = about("gitrepository/source");
    expect(fetched).toMatchObject({ username: "source-controller", attachment: { color: "good" } });
    expect(fetched?.attachment.text).toMatch(/^stored artifact for commit '/);
    const [applied] = about("kustomization/app");
    expect(applied?.username).toBe("kustomize-controller");
    for (const one of [fetched, applied]) {
      if (one === undefined) throw new Error("nothing was said");
      expect(field(one, "revision")).toBe(`main@sha1:${commit}`);
      expect(field(one, "cluster")).toBe("eu");
      expect(field(one, "digest")).toBeUndefined();
    }
  });

  it("EV-007, PR-021: is spared the commit status of each pass", () => {
    expect(said().some(({ attachment }) => attachment.text.startsWith("Reconciliation finished"))).toBe(false);
  });

  it("EV-002: hears of a failure in red", async () => {
    await repository.commit({ "app/config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: [\n" });
    await workspace.reconcile("GitRepository", "source");
    await expect
      .poll(() => about("kustomization/app").some(({ attachment }) => attachment.color === "danger"), {
        timeout: 10_000,
      })
      .toBe(true);
    await repository.commit({ "app/config.yaml": configMap("config", { colour: "green" }) });
    await workspace.reconcile("GitRepository", "source");
    await workspace.until("ConfigMap", "config", ({ data }) => JSON.stringify(data) === '{"colour":"green"}');
  });

  it("is told although another Provider is down, which holds nothing up", async () => {
    const alert = await workspace.find("Alert", "down");
    expect(alert?.spec).toMatchObject({ providerRef: { name: "down" } });
    const commit = (await repository.git(["rev-parse", "main"])).trim();
    await workspace.until(
      "Kustomization",
      "app",
      ({ status }) => status?.lastAppliedRevision === `main@sha1:${commit}`,
    );
  });

  it("EI-006: is told each thing once", () => {
    const keys = said().map(({ attachment }) => JSON.stringify(attachment));
    expect(new Set(keys).size).toBe(keys.length);
  });
});
