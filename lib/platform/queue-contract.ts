import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, it } from "vitest";
import type { PlatformUnderTest } from "./contract.ts";
import type { QueueMessage, QueueName } from "./ports.ts";

/** A message of one test as it was delivered. */
type Delivered = { text: string; attempt: number; at: number };
type Scene = { deliveries: Delivered[]; work: (delivered: Delivered) => Promise<void> };

/** The contract of the queues (ports.ts). */
export function describeQueues(platformUnderTest: () => PlatformUnderTest): void {
  describe("work queues", () => {
    const scenes = new Map<string, Scene>();
    let bed: PlatformUnderTest;

    beforeAll(async () => {
      bed = platformUnderTest();
      const handler = async (body: string, { attempt }: { attempt: number }) => {
        const [scene = "", text = ""] = body.split(" ", 2);
        const delivered = { text, attempt, at: Date.now() };
        scenes.get(scene)?.deliveries.push(delivered);
        await scenes.get(scene)?.work(delivered);
      };
      for (const queue of ["source", "apply", "notification"] as const) bed.consume(queue, handler, { concurrency: 4 });
    });

    function stage(work: Scene["work"] = async () => undefined) {
      const id = randomUUID();
      const scene: Scene = { deliveries: [], work };
      scenes.set(id, scene);
      const message = (text: string, group = "group", deduplication: string = randomUUID()): QueueMessage => ({
        body: `${id} ${text}`,
        group: `${id}/${group}`,
        deduplication: `${id}/${deduplication}`,
      });
      const texts = () => scene.deliveries.map(({ text }) => text);
      const delivered = async (count: number, seconds = bed.deliverySeconds) => {
        const deadline = Date.now() + seconds * 1000;
        while (scene.deliveries.length < count && Date.now() < deadline) await sleep(5);
        return texts();
      };
      return { id, scene, message, texts, delivered };
    }
    const send = (queue: QueueName, ...messages: QueueMessage[]) => bed.platform.queue.send(queue, messages);

    it("a message arrives, on the first attempt, in time", async () => {
      const { scene, message, delivered } = stage();
      const sent = Date.now();
      await send("source", message("hello"));
      expect(await delivered(1)).toEqual(["hello"]);
      const [first] = scene.deliveries;
      expect(first?.attempt).toBe(1);
      expect((first?.at ?? 0) - sent).toBeLessThan(bed.deliverySeconds * 1000);
    });

    it("a group keeps its order, within one send and over several", async () => {
      const { message, delivered } = stage();
      const texts = Array.from({ length: 14 }, (_, index) => `m${index}`);
      await send("apply", ...texts.slice(0, 12).map((text) => message(text)));
      for (const text of texts.slice(12)) await send("apply", message(text));
      expect(await delivered(14, 14 * bed.deliverySeconds)).toEqual(texts);
    });

    it("a group is worked on once at a time, and others go on meanwhile", async () => {
      const busy = new Map<string, number>();
      const most = { group: 0, together: 0 };
      const { message, delivered } = stage(async ({ text }) => {
        const group = text.slice(0, 1);
        busy.set(group, (busy.get(group) ?? 0) + 1);
        most.group = Math.max(most.group, busy.get(group) ?? 0);
        most.together = Math.max(
          most.together,
          [...busy.values()].reduce((sum, count) => sum + count, 0),
        );
        await sleep(bed.deliverySeconds * 300);
        busy.set(group, (busy.get(group) ?? 0) - 1);
      });
      await send("apply", ...["a1", "a2", "a3", "b1", "b2", "c1"].map((text) => message(text, text.slice(0, 1))));
      expect((await delivered(6, 10 * bed.deliverySeconds)).sort()).toEqual(["a1", "a2", "a3", "b1", "b2", "c1"]);
      expect(most.group).toBe(1);
      expect(most.together).toBeGreaterThan(1);
    });

    it("a message whose de-duplication id was accepted before is dropped, even when that one is done", async () => {
      const { message, delivered, texts } = stage();
      await send("source", message("once", "group", "state"), message("twice", "group", "state"));
      expect(await delivered(1)).toEqual(["once"]);
      await send("source", message("thrice", "group", "state"));
      await send("source", message("other", "group", "other-state"));
      await delivered(2);
      await sleep(bed.deliverySeconds * 200);
      expect(texts()).toEqual(["once", "other"]);
    });

    it("a failed message comes again with the next attempt, before what follows in its group", async () => {
      const { scene, message, delivered } = stage(async ({ text, attempt }) => {
        if (text === "first" && attempt < 3) throw new Error("not yet");
      });
      await send("apply", message("first"), message("second"), message("elsewhere", "other"));
      await delivered(5, 2 * bed.redeliverySeconds + 3 * bed.deliverySeconds);
      const seen = scene.deliveries.map(({ text, attempt }) => `${text} ${attempt}`);
      expect(seen.filter((entry) => !entry.startsWith("elsewhere"))).toEqual([
        "first 1",
        "first 2",
        "first 3",
        "second 1",
      ]);
      expect(seen.indexOf("elsewhere 1")).toBeLessThan(seen.indexOf("first 3"));
    });

    it("a message that failed five times becomes a dead letter, and its group goes on", async () => {
      const { id, scene, message, delivered } = stage(async ({ text }) => {
        if (text === "poison") throw new Error("cannot be done");
      });
      await send("source", message("poison"), message("fine"));
      await delivered(6, 6 * bed.redeliverySeconds);
      expect(scene.deliveries.map(({ text, attempt }) => `${text} ${attempt}`)).toEqual([
        ...[1, 2, 3, 4, 5].map((attempt) => `poison ${attempt}`),
        "fine 1",
      ]);
      expect((await bed.deadLetters("source")).filter((body) => body.startsWith(id))).toEqual([`${id} poison`]);
    });

    it("a delayed message is not early, nor late by more than a second, and others overtake it", async () => {
      const { scene, message, delivered } = stage();
      const sent = Date.now();
      await bed.platform.queue.sendLater("apply", message("later"), 1.2);
      await send("apply", message("now"));
      expect(await delivered(2, 3 + 2 * bed.deliverySeconds)).toEqual(["now", "later"]);
      const seconds = ((scene.deliveries[1]?.at ?? 0) - sent) / 1000;
      expect(seconds).toBeGreaterThanOrEqual(1.19);
      expect(seconds).toBeLessThan(2.2 + 2 * bed.deliverySeconds);
    });

    it("a delay of nothing is none, and a delayed message folds into an equal one that came before", async () => {
      const { message, delivered, texts } = stage();
      await bed.platform.queue.sendLater("apply", message("zero"), 0);
      await bed.platform.queue.sendLater("apply", message("negative"), -5);
      await send("apply", message("equal", "group", "state"));
      await bed.platform.queue.sendLater("apply", message("folded", "group", "state"), 0.3);
      await delivered(3, 2 + 3 * bed.deliverySeconds);
      await sleep(1_300 + bed.deliverySeconds * 200);
      expect(texts().sort()).toEqual(["equal", "negative", "zero"]);
    });

    it("notifications are all delivered: no order, no de-duplication, redelivered all the same", async () => {
      const { scene, message, delivered } = stage(async ({ attempt }) => {
        if (attempt === 1) throw new Error("not yet");
      });
      await send("notification", message("same", "group", "id"), message("same", "group", "id"));
      await delivered(4, 2 * bed.redeliverySeconds + 2 * bed.deliverySeconds);
      expect(scene.deliveries.map(({ attempt }) => attempt).sort()).toEqual([1, 1, 2, 2]);
    });
  });
}
