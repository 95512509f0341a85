import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Platform, type QueueMessage, type QueueName, RecordConflict } from "./ports.ts";

/** A platform under test, with what stands outside the ports: how messages are received, and what an operator puts and sees. */
export type PlatformUnderTest = {
  platform: Platform;
  /**
   * Starts to receive, `concurrency` messages at once. Called once a queue. The handler decides by its promise as a function
   * does: a rejection means that the message is to be delivered again.
   */
  consume(
    queue: QueueName,
    handler: (body: string, delivery: { attempt: number }) => Promise<void>,
    options: { concurrency: number },
  ): void;
  /** Bodies of the dead letters of a queue. */
  deadLetters(queue: QueueName): Promise<string[]>;
  /** Stores a secret, so that the platform's reader finds it by this name. */
  putSecret(name: string, text: string): Promise<void>;
  /** A registered cluster, and the kubeconfig that was registered for it. */
  cluster: { id: string; kubeconfig: string };
  /** Seconds that a message may take from its send to its delivery when nothing is in its way. */
  deliverySeconds: number;
  /** Seconds until a failed message must have come again. */
  redeliverySeconds: number;
  stop(): Promise<void>;
};

/** A message of one test as it was delivered. */
type Delivered = { text: string; attempt: number; at: number };
type Scene = { deliveries: Delivered[]; work: (delivered: Delivered) => Promise<void> };

/**
 * Declares the contract that every platform keeps (ports.ts). `start` makes the platform once; tests keep apart by
 * keys, groups and bodies of their own, so that it may be one that others use as well.
 */
export function describePlatform(name: string, start: () => Promise<PlatformUnderTest>): void {
  describe(`the ports on ${name}`, () => {
    const scenes = new Map<string, Scene>();
    let bed: PlatformUnderTest;

    beforeAll(async () => {
      bed = await start();
      const handler = async (body: string, { attempt }: { attempt: number }) => {
        const [scene = "", text = ""] = body.split(" ", 2);
        const delivered = { text, attempt, at: Date.now() };
        scenes.get(scene)?.deliveries.push(delivered);
        await scenes.get(scene)?.work(delivered);
      };
      for (const queue of ["source", "apply", "notification"] as const) bed.consume(queue, handler, { concurrency: 4 });
    });
    afterAll(() => bed?.stop());

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

    describe("artifacts", () => {
      const prefix = `contract/${randomUUID()}`;
      const bytes = (text: string) => new TextEncoder().encode(text);
      const textOf = (content: Uint8Array | undefined) => content && new TextDecoder().decode(content);

      it("what was put is there as a whole, with size and time, and a second put replaces it", async () => {
        const { artifacts } = bed.platform;
        const key = `${prefix}/round/a.tar.gz`;
        await artifacts.put(key, bytes("first"));
        await artifacts.put(key, bytes("second one"));
        expect(textOf(await artifacts.get(key))).toBe("second one");
        const found = await artifacts.head(key);
        expect(found).toMatchObject({ key, size: 10 });
        expect(Math.abs((found?.modified.getTime() ?? 0) - Date.now())).toBeLessThan(60_000);
      });

      it("every byte survives, of nothing and of megabytes", async () => {
        const { artifacts } = bed.platform;
        const large = new Uint8Array(3 * 1024 * 1024).map((_, index) => (index * 31 + (index >> 8)) & 0xff);
        await artifacts.put(`${prefix}/bytes/large`, large);
        await artifacts.put(`${prefix}/bytes/empty`, new Uint8Array());
        expect(Buffer.compare((await artifacts.get(`${prefix}/bytes/large`)) ?? new Uint8Array(), large)).toBe(0);
        expect((await artifacts.get(`${prefix}/bytes/empty`))?.length).toBe(0);
      });

      it("an absent key is undefined, and removing it is not an error", async () => {
        const { artifacts } = bed.platform;
        expect(await artifacts.get(`${prefix}/none`)).toBeUndefined();
        expect(await artifacts.head(`${prefix}/none`)).toBeUndefined();
        await artifacts.remove([`${prefix}/none`, `${prefix}/none/either`]);
        await artifacts.remove([]);
        expect(await artifacts.list(`${prefix}/none/`)).toEqual([]);
      });

      it("a list has every key with the prefix, in key order, and ends where names only begin alike", async () => {
        const { artifacts } = bed.platform;
        const keys = ["b/2", "a/10", "a/9", "a-b/1", "ab", "c"].map((key) => `${prefix}/list/${key}`);
        await Promise.all(keys.map((key) => artifacts.put(key, bytes(key))));
        const listed = async (part: string) =>
          (await artifacts.list(`${prefix}/list/${part}`)).map(({ key }) => key.slice(prefix.length + 6));
        expect(await listed("")).toEqual(["a-b/1", "a/10", "a/9", "ab", "b/2", "c"]);
        expect(await listed("a/")).toEqual(["a/10", "a/9"]);
        expect(await listed("a")).toEqual(["a-b/1", "a/10", "a/9", "ab"]);
        await artifacts.remove(keys.slice(0, 3));
        expect(await listed("")).toEqual(["a-b/1", "ab", "c"]);
      });

      it("a reader sees all of one writer or all of another", async () => {
        const { artifacts } = bed.platform;
        const key = `${prefix}/race`;
        const of = (letter: string) => bytes(letter.repeat(200_000));
        await artifacts.put(key, of("a"));
        const writes = Promise.all(["b", "c", "d"].map((letter) => artifacts.put(key, of(letter))));
        const reads = await Promise.all(Array.from({ length: 8 }, () => artifacts.get(key)));
        await writes;
        for (const read of reads) {
          const text = textOf(read) ?? "";
          expect([text.length, new Set(text).size]).toEqual([200_000, 1]);
        }
      });

      it("a link, where there is one, gives the bytes to anybody", async () => {
        const key = `${prefix}/linked`;
        await bed.platform.artifacts.put(key, bytes("for everybody"));
        const link = await bed.platform.artifacts.link(key, 60);
        if (link === undefined) return;
        expect(await (await fetch(link)).text()).toBe("for everybody");
      });
    });

    describe("records", () => {
      const key = (name: string) => `contract/${randomUUID()}/${name}`;

      it("a record is read with the version that the next writer must know", async () => {
        const { records } = bed.platform;
        const name = key("document");
        expect(await records.get(name)).toBeUndefined();
        const first = await records.put(name, { list: [1, "two", null], nested: { yes: true } }, "absent");
        expect(await records.get(name)).toEqual({
          value: { list: [1, "two", null], nested: { yes: true } },
          version: first,
        });
        const second = await records.put(name, "other", { version: first });
        expect(second).not.toBe(first);
        await expect(records.put(name, "late", { version: first })).rejects.toThrow(RecordConflict);
        await expect(records.put(name, "new", "absent")).rejects.toThrow(RecordConflict);
        await records.put(name, "forced", "any");
        expect((await records.get(name))?.value).toBe("forced");
      });

      it("a version that is gone is a conflict", async () => {
        const { records } = bed.platform;
        const name = key("gone");
        const version = await records.put(name, 1, "absent");
        await records.remove(name, { version });
        expect(await records.get(name)).toBeUndefined();
        await expect(records.put(name, 2, { version })).rejects.toThrow(RecordConflict);
      });

      it("a removal minds its expectation, and absence is none", async () => {
        const { records } = bed.platform;
        const name = key("removal");
        const first = await records.put(name, 1, "absent");
        const second = await records.put(name, 2, { version: first });
        await expect(records.remove(name, { version: first })).rejects.toThrow(RecordConflict);
        await records.remove(name, { version: second });
        await records.remove(name, { version: second });
        await records.remove(name, "any");
        expect(await records.get(name)).toBeUndefined();
      });

      it("of many that create at once, one does", async () => {
        const { records } = bed.platform;
        const name = key("created");
        const results = await Promise.allSettled(
          Array.from({ length: 8 }, (_, index) => records.put(name, index, "absent")),
        );
        const winners = results.flatMap((result, index) => (result.status === "fulfilled" ? [index] : []));
        expect(winners).toHaveLength(1);
        expect((await records.get(name))?.value).toBe(winners[0]);
      });

      it("no update of many that compare and set at once is lost", async () => {
        const { records } = bed.platform;
        const name = key("counter");
        await records.put(name, 0, "absent");
        const increment = async () => {
          for (;;) {
            const record = await records.get(name);
            if (record === undefined) throw new Error("the record vanished");
            try {
              return await records.put(name, Number(record.value) + 1, { version: record.version });
            } catch (error) {
              if (!(error instanceof RecordConflict)) throw error;
            }
          }
        };
        await Promise.all(
          Array.from({ length: 5 }, async () => {
            for (let n = 0; n < 4; n++) await increment();
          }),
        );
        expect((await records.get(name))?.value).toBe(20);
      });
    });

    describe("work queues", () => {
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

    describe("secrets, clusters and the clock", () => {
      it("a secret is read by name; none is undefined", async () => {
        const name = `contract-${randomUUID()}`;
        expect(await bed.platform.secrets.read(name)).toBeUndefined();
        await bed.putSecret(name, "line one\nline two");
        expect(await bed.platform.secrets.read(name)).toBe("line one\nline two");
      });

      it("a cluster is listed and found with its kubeconfig; none is undefined", async () => {
        const { clusters } = bed.platform;
        expect(await clusters.list()).toContain(bed.cluster.id);
        expect(await clusters.get(bed.cluster.id)).toMatchObject({
          id: bed.cluster.id,
          type: "kubeconfig",
          kubeconfig: bed.cluster.kubeconfig,
        });
        expect(await clusters.get("nobody")).toBeUndefined();
        expect(await clusters.get("../escape")).toBeUndefined();
      });

      it("the clock tells the time", () => {
        expect(Math.abs(bed.platform.clock.now().getTime() - Date.now())).toBeLessThan(5_000);
      });
    });
  });
}
