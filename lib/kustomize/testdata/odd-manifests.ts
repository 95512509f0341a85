import { configMap } from "./artifact-of.ts";

/** A ConfigMap with what is given behind its name. */
export const named = (name: string, rest: string) =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\n${rest}`;

/** Manifests of which it is certain what kustomize makes of them. */
export const certain: [string, string][] = [
  [
    "words of YAML 1.1 in quotes",
    named("a", `data: {a: "yes", b: 'off', c: "null", d: "~", e: "1", f: '1:20', g: "2020-01-01", h: ""}\n`),
  ],
  ["truth values and null as YAML 1.2 spells them", named("a", "a: true\nb: False\nc: TRUE\nd: null\ne: ~\nf:\n")],
  [
    "numbers in decimal digits",
    named("a", "a: 1\nb: -1\nc: 0\nd: 0.50\ne: 1.0\nf: 123456789012345\ng: -1234567.5\nh: 0.000001\n"),
  ],
  ["a mode in octal", named("a", "mode: 0644\n")],
  [
    "comments everywhere",
    `# one\n---\n# two\n${named("a", "# three\ndata: # four\n  # five\n  a: b # six\n      # seven\n# eight\n")}# nine\n`,
  ],
  ["documents that hold comments alone", `# none\n---\n${named("a", "")}---\n# none\n---\n---\n`],
  ["a separator with a comment", `${named("a", "")}--- # next\n${named("b", "")}`],
  ["no line break at the end", named("a", "data:\n  a: b").trimEnd()],
  [
    "lists at the column of their key and deeper",
    named("a", "l:\n- a\n- - b\n  -   c\nm:\n    - d: e\n      f: g\n    -\n      h: i\n"),
  ],
  [
    "blocks",
    named(
      "a",
      "data:\n  a: |\n    one\n      two\n\n    three\n  b: |-\n    one\n  c: |+\n    one\n\n  d: >\n    one\n    two\n\n    three\n  e: >-\n    a long line\n",
    ),
  ],
  [
    "a block with tabs, trailing spaces and what looks like comments",
    named("a", "data:\n  a: |\n    one\ttwo \n    # two\n    - three:\n"),
  ],
  ["an empty block", named("a", "data:\n  a: |\n  b: c\n")],
  [
    "quoted texts over several lines",
    named("a", "data:\n  a: \"one\n    two\"\n  b: 'three\n    four'\n  c: five\n    six\n"),
  ],
  ["escapes that are usual", named("a", String.raw`data: {a: "one\ntwo", b: "\"q\"", c: "a\\b", d: "tab\t"}`)],
  ["lines longer than 64 KB", named("a", `data:\n  a: ${"word ".repeat(20_000)}end\n  b: "${"x".repeat(100_000)}"\n`)],
  ["JSON", JSON.stringify({ ...configMap("a", { b: 'c"' }), list: [1, [], {}, { d: null }] }, null, 2)],
  ["JSON in one line", JSON.stringify({ ...configMap("a", { b: "c" }), list: [1, [], {}, { d: null }] })],
  [
    "characters of every plane",
    named(
      "a",
      'data:\n  a: \u00e9\u4e2d\u{1f600}\n  b: "\u{1f600} is folded somewhere in a text that is so long that it is longer than a line may be"\n',
    ),
  ],
  [
    "annotations that hold nothing",
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  annotations: {}\n  labels: {}\n",
  ],
  [
    "anchors and aliases",
    named("a", "data:\n  a: &x one\n  b: *x\n  c: &y |\n    two\n  d: *y\nl: &z\n  - {k: v}\nm: *z\n"),
  ],
  ["an anchor given twice", named("a", "data:\n  a: &x one\n  b: &x two\n  c: *x\n")],
  [
    "a custom object with a name of a role",
    "apiVersion: example.com/v1\nkind: Thing\nmetadata:\n  name: system:thing\nspec: {}\n",
  ],
  ["keys that are numbers in quotes", named("a", 'data:\n  "8080": a\n  "80": b\n  "9": c\n  x-10: d\n  x-9: e\n')],
];

/** Manifests that kustomize alone may judge, and why. */
export const uncertain: [string, string][] = [
  ["a key that is unusual", named("a", "data:\n  1: a\n")],
  ["a key that is unusual", named("a", "data:\n  on: a\n").replace("on:", "\u00e9:")],
  ["a key that is unusual", named("a", "data: &x {a: b}\nmore:\n  <<: *x\n")],
  ["a key that is no text", named("a", "data:\n  &k a: b\n")],
  ["a key twice", named("a", "data:\n  a: b\n  a: c\n")],
  ["an explicit key", named("a", "data:\n  ? a\n  : b\n")],
  ["a key of several lines", named("a", 'data: {"a\n  b": c}\n')],
  ["a tag", named("a", "data:\n  a: !!str 1\n")],
  ["an unusual alias", named("a", "data: {a: &x b, c: *x }\n")],
  ["an unusual anchor", named("a", "data: {a: &x b, c: *x}\n")],
  ["a character beyond the usual", `\ufeff${named("a", "")}`],
  ["a character beyond the usual", named("a", "data:\n  a: b\n").replaceAll("\n", "\r\n")],
  ["a character beyond the usual", named("a", "data:\n  a: b\u2028c\n")],
  ["no YAML", `%YAML 1.1\n--- # one\n${named("a", "")}`],
  ["an explicit end", `${named("a", "")}...\n`],
  ["an explicit end", "\n...\n"],
  ["more than comments, but no value", "# one\n\t"],
  ["an indented start", `  ---\n${named("a", "")}`],
  ["text after a separator", `${named("a", "")}--- {}\n${named("b", "")}`],
  ["a tab outside of a block", named("a", "data:\n  a:\tb\n")],
  ["a tab outside of a block", named("a", 'data:\n  a: "b\tc"\n')],
  ["an unusual escape", named("a", 'data:\n  a: "\\u00e9"\n')],
  ["an unusual escape", named("a", 'data:\n  a: "b\\\n    c"\n')],
  ["something behind a quoted text", named("a", 'l:\n- a:\n  - "" b:\n  - c\n')],
  ["something behind a flow collection", named("a", "l:\n- a:\n  - {} b:\n  - c\n")],
  ["a quoted text with indented lines", named("a", 'data:\n  a: "b\\n  c"\n')],
  ["a block with an indentation indicator or a comment", named("a", "data:\n  a: |2\n      b\n")],
  ["a block with an indentation indicator or a comment", named("a", "data:\n  a: | # b\n    c\n")],
  ["a block that begins with white space", named("a", "data:\n  a: |\n\n    b\n")],
  ["a block that ends without a line break", named("a", "data:\n  a: |\n    b").trimEnd()],
  ["a folded block with indented lines", named("a", "data:\n  a: >\n    b\n      c\n    d\n")],
  ["a folded block with indented lines", named("a", "data:\n  a: >+\n    b\n\n")],
  ["a comment in a flow collection", named("a", "l: [a, # b\n  c]\n")],
  ["an unusual text in a flow collection", named("a", "l: [a b]\n")],
  ["nothing in a flow collection", named("a", "m: {a: , b: c}\n")],
  ["a key without a blank after it", named("a", "m: {a:[1], b: c}\n")],
  ...[
    "yes",
    "off",
    "2020-01-01",
    "0x1F",
    "1e3",
    ".5",
    "+1",
    "1_000",
    "1:20",
    ".inf",
    "123456789012345678",
    "-0",
    "0o7",
  ].map((text): [string, string] => [
    "a text that may be a number, a date or a word of YAML 1.1",
    named("a", `a: ${text}\n`),
  ]),
  ["no object with apiVersion, kind and name", "a: b\n"],
  ["no object with apiVersion, kind and name", "- a\n"],
  ["no object with apiVersion, kind and name", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  generateName: a\n"],
  ["no object with apiVersion, kind and name", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: 1\n"],
  ["a list", `apiVersion: v1\nkind: List\nmetadata:\n  name: x\nitems:\n- ${JSON.stringify(configMap("a"))}\n`],
  [
    "a list",
    `apiVersion: v1\nkind: ConfigMapList\nmetadata:\n  name: x\nitems:\n- ${JSON.stringify(configMap("a"))}\n`,
  ],
  ["a kustomization", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nmetadata:\n  name: a\n"],
  ["an id twice", `${named("a", "")}---\n${named("a", "")}`],
  [
    "labels or annotations that are no texts",
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  labels: {a: true}\n",
  ],
  [
    "labels or annotations that are no texts",
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  annotations:\n",
  ],
  ...[
    "config.kubernetes.io/local-config",
    "internal.config.kubernetes.io/prefixes",
    "config.kubernetes.io/origin",
    "config.k8s.io/id",
  ].map((name): [string, string] => [
    "an annotation of kustomize",
    `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  annotations: {${name}: "true"}\n`,
  ]),
  ["no YAML", "a: [\n"],
];
