import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Platform, QueueName } from "./ports.ts";
import { describeQueues } from "./queue-contract.ts";
import { describeStores } from "./store-contract.ts";

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

/**
 * Declares the contract that every platform keeps (ports.ts). `start` makes the platform once; tests keep apart by
 * keys, groups and bodies of their own, so that it may be one that others use as well.
 */
export function describePlatform(name: string, start: () => Promise<PlatformUnderTest>): void {
  describe(`the ports on ${name}`, () => {
    let bed: PlatformUnderTest;
    beforeAll(async () => {
      bed = await start();
    });
    afterAll(() => bed?.stop());

    describeStores(() => bed);
    describeQueues(() => bed);

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
