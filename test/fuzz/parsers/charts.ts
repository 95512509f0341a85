import { parseIndex, readStoredIndex } from "../../../lib/chart/helm-index.ts";
import { readLock, readMetadata } from "../../../lib/chart/metadata.ts";
import { readValues } from "../../../lib/chart/values.ts";
import { check, isSentence, type Parser } from "../parser.ts";

const yamlWords = [
  ...[
    "&a ",
    "*a",
    "<<: *a",
    "<<: [*a, *a]",
    "? ",
    ": ",
    "- ",
    "---\n",
    "...\n",
    "|\n",
    ">-\n",
    "!!binary ",
    "!!str ",
    "!x ",
    "{",
    "}",
    "[",
    "]",
  ],
  ...[
    '"',
    "'",
    "\n",
    "\r\n",
    "  ",
    "\t",
    "#",
    "null",
    "~",
    "0x1f",
    "1e999",
    "0o7",
    ".inf",
    "\xef\xbb\xbf",
    "%YAML 1.1\n",
    "\\u0000",
    "__proto__: ",
  ],
  ...[
    "constructor: ",
    "entries:\n",
    "apiVersion: v1\n",
    "version: 1.0.0\n",
    "name: a\n",
    "urls:\n",
    "dependencies:\n",
    "[".repeat(300),
    "{a: ".repeat(300),
  ],
];

/** What chart repositories and charts say of themselves. */
export const chartParsers: readonly Parser[] = [
  {
    name: "helm-index",
    cost: "expensive",
    words: yamlWords,
    expects: isSentence,
    run: (input) => {
      const index = parseIndex(input, { size: 1024 * 1024 });
      const names = index.names();
      const stored = readStoredIndex(index.json());
      check(JSON.stringify(stored.names()) === JSON.stringify(names), "a stored index has other charts");
      for (const name of names) {
        const [own, again] = [index.versions(name), stored.versions(name)].map((versions) => JSON.stringify(versions));
        check(own === again, "a stored chart has other versions");
      }
    },
  },
  {
    name: "chart-metadata",
    cost: "expensive",
    words: yamlWords,
    expects: isSentence,
    run: (input) => {
      let failure: unknown;
      try {
        readLock({ name: "Chart.lock", content: input });
      } catch (error) {
        failure = error;
      }
      const { name, version } = readMetadata([{ name: "Chart.yaml", content: input }]);
      check(name !== "" && version !== "", "a chart without a name is valid");
      if (failure !== undefined) throw failure;
    },
  },
  {
    name: "chart-values",
    cost: "expensive",
    words: yamlWords,
    expects: isSentence,
    run: (input) => {
      const values = readValues(input, "values.yaml");
      check(Object.getPrototypeOf(values) === Object.prototype, "values have another prototype");
    },
  },
];
