import { dump } from "js-yaml";
import { formatGoYaml } from "../../text/go-yaml.ts";

/** A source of numbers from 0 to 1 that a seed decides (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Random = () => number;

function pick<T>(random: Random, from: readonly [T, ...T[]]): T {
  return from[Math.floor(random() * from.length)] ?? from[0];
}

/** An object as somebody may have written it: in JSON, or in YAML with any habits. */
export function write(object: object, random: Random): string {
  const notation = random();
  if (notation < 0.1) return `${JSON.stringify(object, null, pick(random, [0, 2, 4]))}\n`;
  if (notation < 0.3) return formatGoYaml(object);
  return dump(object, { noRefs: random() < 0.5, flowLevel: pick(random, [-1, -1, 2, 4]) });
}

const pieces: [string, ...string[]] = [
  " ",
  ..." \n#:-'\"|>[]{},?\t\\0aé%@`=&*~\u{1f600}",
  ...[
    "  ",
    "\n\n",
    " # c\n",
    "# c\n",
    ": ",
    "- ",
    "--- ",
    "\n---\n",
    "\n...\n",
    "''",
    '""',
    "|-\n",
    ">\n",
    "&a ",
    "*a",
    "!!str ",
    "<<: ",
  ],
  ...[
    "\\n",
    "\\\n",
    "1e3",
    "0x1",
    "08",
    "yes",
    "null",
    "2020-01-01",
    "1:20",
    ".5",
    "+1",
    "key: value\n",
    "  - item\n",
    "l: [a, b]\n",
    "'a\n  b'",
  ],
];
const values: [string, ...string[]] = [
  "plain",
  ...[
    "plain text\n    folded",
    '"quoted \\"x\\""',
    "'it''s'",
    "|\n      block\n        more\n",
    ">-\n      folded\n      text\n",
    "&x foo",
    "*x",
    '""',
  ],
  ...[
    "[a, 'b', \"c\"]",
    "{a: 1, b: [x]}",
    "a: b",
    "a #b",
    "a# b",
    "http://x:80/y",
    "- a",
    "1.50",
    "-1",
    "0644",
    "12345678901234567890",
    "true",
    "~",
  ],
];

/** A text with a slip or a habit more: a few characters, a comment, another value, a line twice. */
export function alter(text: string, random: Random): string {
  const at = Math.floor(random() * (text.length + 1));
  const line = text.indexOf("\n", at) + 1;
  const end = text.indexOf("\n", line) + 1 || text.length;
  const choice = random();
  if (choice < 0.3) return text.slice(0, at) + pick(random, pieces) + text.slice(at);
  if (choice < 0.4) return text.slice(0, at) + text.slice(at + 1 + Math.floor(random() * 3));
  if (choice < 0.6)
    return (
      text.slice(0, line) +
      pick(random, ["# head\n", "  # indented\n", "        # deep\n", "\n", "#\n"]) +
      text.slice(line)
    );
  if (choice < 0.75)
    return `${text.slice(0, Math.max(line - 1, 0))}${pick(random, [" # trailing", " #", "  ", " #x: y"])}${text.slice(Math.max(line - 1, 0))}`;
  const colon = text.indexOf(": ", at);
  if (choice < 0.9 && colon > 0)
    return text.slice(0, colon + 2) + pick(random, values) + text.slice(text.indexOf("\n", colon));
  return text.slice(0, end) + text.slice(line, end) + text.slice(end);
}
