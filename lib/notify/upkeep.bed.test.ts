import { afterEach, beforeEach, expect, it } from "vitest";
import { type NotificationBed, openNotificationBed } from "../../test/bed/notifications.ts";
import { deleteObject, findObject, patchObject } from "../cluster/objects.ts";
import { runUpkeep } from "./upkeep.ts";

const apiVersion = "notification.toolkit.fluxcd.io/v1beta3";
const finalizer = "finalizers.fluxcd.io";

let bed: NotificationBed;

beforeEach(async () => {
  bed = await openNotificationBed();
});

afterEach(() => bed.close());

const reference = (kind: string, name: string) => ({ apiVersion, kind, namespace: bed.namespace, name });
const find = (kind: string, name: string) => findObject(bed.client, reference(kind, name));
const upkeep = () => runUpkeep(bed.platform, async () => bed.controller);

/** Makes an object look as Flux left it, with somebody else's finalizer beside Flux's. */
async function hold(kind: string, name: string, finalizers = [finalizer]): Promise<void> {
  await patchObject(
    bed.client,
    reference(kind, name),
    { merge: { metadata: { finalizers } } },
    { fieldManager: "test" },
  );
}

it("PR-014: a Provider that Flux left is gone in a minute once it is deleted, and is left alone before", async () => {
  await bed.makeProvider("going", { type: "generic", address: "https://chat.example" });
  await bed.makeProvider("staying", { type: "generic", address: "https://chat.example" });
  await Promise.all([hold("Provider", "going"), hold("Provider", "staying")]);
  await deleteObject(bed.client, reference("Provider", "going"));
  expect(await find("Provider", "going")).toBeDefined();
  await upkeep();
  expect(await find("Provider", "going")).toBeUndefined();
  expect((await find("Provider", "staying"))?.metadata.finalizers).toEqual([finalizer]);
});

it("AL-012: an Alert loses the finalizer of old releases and says so, unless it is suspended; others' stay", async () => {
  await bed.makeAlert("old", "p");
  await bed.makeAlert("suspended", "p", { suspend: true });
  await bed.makeAlert("going", "p", { suspend: true });
  await Promise.all([
    hold("Alert", "old", [finalizer, "example.com/other"]),
    hold("Alert", "suspended"),
    hold("Alert", "going"),
  ]);
  await deleteObject(bed.client, reference("Alert", "going"));
  await upkeep();
  expect((await find("Alert", "old"))?.metadata.finalizers).toEqual(["example.com/other"]);
  expect((await find("Alert", "suspended"))?.metadata.finalizers).toEqual([finalizer]);
  expect(await find("Alert", "going")).toBeUndefined();
  const list = await bed.client.request<{ items: { type: string; reason: string; message: string }[] }>({
    method: "GET",
    path: `/api/v1/namespaces/${bed.namespace}/events`,
  });
  expect(list.items).toMatchObject([
    { type: "Normal", reason: "Migration", message: "removed finalizer from Alert to migrate to static Alert" },
  ]);
});
