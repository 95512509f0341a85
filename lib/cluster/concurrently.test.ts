import { describe, expect, it } from "vitest";
import { concurrently } from "./concurrently.ts";

const later = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

describe("concurrently", () => {
  it("keeps the order, and never has more under way than allowed", async () => {
    let underWay = 0;
    let most = 0;
    const results = await concurrently([5, 1, 3, 2, 4], 2, async (item) => {
      underWay++;
      most = Math.max(most, underWay);
      await later(item);
      underWay--;
      return item * 10;
    });
    expect(results).toEqual([50, 10, 30, 20, 40]);
    expect(most).toBe(2);
  });

  it("begins nothing after a failure, and rejects with the foremost", async () => {
    const begun: number[] = [];
    const working = concurrently([0, 1, 2, 3, 4], 2, async (item) => {
      begun.push(item);
      await later(item === 0 ? 20 : 5);
      throw new Error(`failure ${item}`);
    });
    await expect(working).rejects.toThrow("failure 0");
    expect(begun).toEqual([0, 1]);
  });

  it("resolves with nothing for nothing", async () => {
    expect(await concurrently([], 4, async () => 1)).toEqual([]);
  });
});
