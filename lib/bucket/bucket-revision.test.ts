import { expect, it } from "vitest";
import { bucketRevision } from "./bucket-revision.ts";

/** What source-controller's index.Digester says of these. */
const index = new Map([
  ["b.yaml", '"0x8DBC"'],
  ["a/z", "1"],
  ["a-z", "2"],
  ["é", "3"],
  ["\u{1f600}", "4"],
  ["\ufffd", "5"],
  ["Z", "6"],
]);

it.each([
  ["sha256", "sha256:6ba124c4e43b02a72cb24f928619a82fd1c05e1d5952e0ce1349c3822050c804"],
  [
    "sha512",
    "sha512:a594183dddead04d888f0cf153474f5e091152220beaf69e576f4fb1217e71fdd91a62eb1572cad7050b25fef334044211afeab2d3bc1f31833737ed7e0500df",
  ],
] as const)("BKT-003, ART-010, ART-011: the revision is Flux's, by %s", async (algorithm, revision) => {
  expect(await bucketRevision(index, algorithm)).toBe(revision);
  expect(await bucketRevision(new Map([...index].reverse()), algorithm)).toBe(revision);
});

it("BKT-003: a bucket without objects has a revision", async () => {
  expect(await bucketRevision(new Map())).toBe(
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  );
});
