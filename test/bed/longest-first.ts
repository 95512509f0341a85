import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Suites that take minutes: begun last, they would run alone at the end. */
const long = /\/test\/faults\/|\/test\/(deployed|contested|tenant-exhaustion|apply-rows)\.test\.ts$/;

/** The order of the test files: the longest first, the others as vitest has it. Vitest takes a class. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLong = ({ moduleId }: TestSpecification) => long.test(moduleId);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}
