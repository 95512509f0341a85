import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

const patience = { testTimeout: 60_000, hookTimeout: 300_000, expect: { poll: { timeout: 15_000, interval: 50 } } };
const rooms = "{lib,functions,infra}";
/** Tests of the repository itself, which need no server. */
const withoutBed = ["test/house.test.ts", "test/conformance.test.ts", "test/fuzz/fuzz.test.ts"];

/** Suites that take minutes: begun last, they would run alone at the end. */
const long = /\/test\/faults\/|\/test\/(deployed|contested|tenant-exhaustion|apply-rows)\.test\.ts$/;

/** The longest first, the others as vitest has it. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLong = ({ moduleId }: TestSpecification) => long.test(moduleId);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

export default defineConfig({
  test: {
    pool: "forks",
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: "unit",
          include: [`${rooms}/**/*.test.ts`, ...withoutBed],
          exclude: ["**/*.bed.test.ts", "**/node_modules/**"],
          // Left to itself vitest uses one processor of two.
          maxWorkers: Math.max(2, availableParallelism() - 1),
          sequence: { groupOrder: 0 },
          ...patience,
        },
      },
      {
        test: {
          name: "bed",
          include: ["test/**/*.test.ts", `${rooms}/**/*.bed.test.ts`],
          exclude: [...withoutBed, "**/node_modules/**"],
          globalSetup: "test/bed/global-setup.ts",
          // More would take the processors from the servers of the bed; many tests wait most of their time.
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
          ...patience,
        },
      },
    ],
  },
});
