import { formatGoDuration, parseGoDuration } from "../../../lib/text/go-duration.ts";
import { compareVersions, parseLooseVersion } from "../../../lib/text/semver.ts";
import { parseVersionRange, satisfies } from "../../../lib/text/semver-range.ts";
import { ignoreRules, isIgnored, parseSourceIgnore } from "../../../lib/text/source-ignore.ts";
import { check, isSentence, type Parser } from "../parser.ts";

const paths = [
  ["a"],
  ["deploy", "app.yaml"],
  ["a", "b", "c", "d", "file.jpg"],
  [".git"],
  ["é", "x y"],
  ["aaaaaaaaaaaaaaaaaaaaaaaaab"],
];
const versions = ["1.2.3", "0.0.0", "2.0.0-rc.1+b", "v10", "1.0.0-0"].flatMap((text) => parseLooseVersion(text) ?? []);

/** The small languages of the fields of an object. */
export const textParsers: readonly Parser[] = [
  {
    name: "source-ignore",
    cost: "cheap",
    words: [
      "*",
      "**",
      "/",
      "!",
      "\\",
      "[",
      "]",
      "[^a-z]",
      "[a-",
      "?",
      "\\ ",
      "#",
      "\r\n",
      "\n",
      "**/",
      "/**/",
      "*a*a*a*a*a*a*b",
      "[!",
      "a",
    ],
    expects: () => false,
    run: (input) => {
      const rules = ignoreRules(parseSourceIgnore(input.toString("utf8"), []));
      for (const path of paths) isIgnored(rules, path, path.length % 2 === 0);
    },
  },
  {
    name: "semver",
    cost: "cheap",
    words: [".", "-", "+", "v", "0", "rc.1", "18446744073709551616", "00", "x", "-".repeat(300)],
    expects: () => false,
    run: (input) => {
      const version = parseLooseVersion(input.toString("latin1"));
      if (version === undefined) return;
      check(compareVersions(version, version) === 0, "a version is not the same as itself");
      for (const other of versions)
        check(
          Math.sign(compareVersions(version, other)) === -Math.sign(compareVersions(other, version)),
          "an order has no sense",
        );
    },
  },
  {
    name: "semver-range",
    cost: "cheap",
    words: [
      "||",
      " - ",
      ">=",
      "<",
      "~>",
      "^",
      "x",
      "*",
      "|",
      ",",
      " ",
      ">=1 <2",
      "!=",
      "=>",
      "-0",
      "+a",
      "1.x.x",
      " ".repeat(100),
      "1 - 2",
    ],
    expects: isSentence,
    run: (input) => {
      const range = parseVersionRange(input.toString("latin1"));
      for (const version of versions) satisfies(version, range);
    },
  },
  {
    name: "go-duration",
    cost: "cheap",
    words: ["h", "m", "s", "ms", "us", "µs", "μs", "ns", ".", "-", "+", "1", "0", "9".repeat(30), "1.", ".5", "e"],
    expects: isSentence,
    run: (input) => {
      const milliseconds = parseGoDuration(input.toString("utf8"));
      check(Number.isFinite(milliseconds), "a duration is no number");
      if (Math.abs(milliseconds) < 2 ** 33) {
        const again = parseGoDuration(formatGoDuration(milliseconds));
        check(Math.abs(again - milliseconds) <= 1e-6, "a duration is not read as it is written");
      }
    },
  },
];
