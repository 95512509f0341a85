import { defineConfig } from "vitest/config";

const patience = { testTimeout: 60_000, hookTimeout: 300_000 };
const rooms = "{lib,functions,infra}";

export default defineConfig({
  test: {
    pool: "forks",
    projects: [
      {
        test: {
          name: "unit",
          include: [`${rooms}/**/*.test.ts`],
          exclude: ["**/*.bed.test.ts", "**/node_modules/**"],
          sequence: { groupOrder: 0 },
          ...patience,
        },
      },
      {
        test: {
          name: "bed",
          include: ["test/**/*.test.ts", `${rooms}/**/*.bed.test.ts`],
          globalSetup: "test/bed/global-setup.ts",
          // The servers of the bed need the processors more than another worker does.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          ...patience,
        },
      },
    ],
  },
});
