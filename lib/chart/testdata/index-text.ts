import fc from "fast-check";

/**
 * Texts of YAML as they may stand in an index: mostly what programs write, at times what only a person would. Not all of them are
 * valid.
 */
const scalar = fc.oneof(
  { weight: 6, arbitrary: fc.stringMatching(/^[a-zA-Z][a-zA-Z0-9 ._/-]{0,20}[a-zA-Z0-9]$/) },
  { weight: 3, arbitrary: fc.stringMatching(/^[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{1,2}(-rc\.[0-9])?$/) },
  { weight: 2, arbitrary: fc.stringMatching(/^[0-9a-fx._e+-]{1,10}$/) },
  { weight: 2, arbitrary: fc.stringMatching(/^"[a-z \\nt"'<>&é#:]{0,12}"$/) },
  { weight: 2, arbitrary: fc.stringMatching(/^'[a-z \\nt"'<>&é#:]{0,12}'$/) },
  { weight: 1, arbitrary: fc.stringMatching(/^[a-z"'[\]{}#:,&*!|>%@`~?-][a-z "'[\]{}#:,&*!|>%@`\t-]{0,10}$/) },
  fc.constantFrom(
    "",
    "null",
    "~",
    "true",
    "no",
    "On",
    "[]",
    "{}",
    "[a, b]",
    "{a: b}",
    ".inf",
    "0x1F",
    "2020-01-01",
    "é\u0085x",
  ),
  fc.constantFrom('"2024-02-30T00:00:00Z"', '"2024-02-28T01:02:03.120Z"', "2024-02-28T01:02:03+02:00"),
);

/** A scalar that goes on in further lines, at this indentation. */
const longScalar = (indent: string) =>
  fc
    .tuple(
      fc.constantFrom("|", "|-", "|+", ">", ">-", "", "a b", '"a', "'a", '"a\\', "|2", "| # c"),
      fc.array(fc.tuple(fc.constantFrom("", " ", "  ", "    "), scalar), { minLength: 1, maxLength: 4 }),
      fc.constantFrom("", '"', "'"),
    )
    .map(
      ([head, lines, end]) =>
        `${head}\n${lines.map(([more, text]) => (text === "" ? more : `${indent}${more}${text}`)).join("\n")}${end}`,
    );

const key = fc.constantFrom("description", "home", "icon", "appVersion", "digest", "type", "created", "condition");

const fieldAt = (indent: string): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 6, arbitrary: fc.tuple(key, scalar).map(([name, text]) => `${name}: ${text}`) },
    { weight: 2, arbitrary: fc.tuple(key, longScalar(`${indent}  `)).map(([name, text]) => `${name}: ${text}`) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(
          fc.constantFrom("keywords", "urls", "sources"),
          fc.constantFrom("", "  "),
          fc.array(scalar, { minLength: 1, maxLength: 3 }),
        )
        .map(([name, more, items]) => `${name}:\n${items.map((item) => `${indent}${more}- ${item}`).join("\n")}`),
    },
    {
      weight: 1,
      arbitrary: fc
        .array(
          fc.tuple(
            fc.constantFrom("a", "b.c/d", "10", "9", "true", "'q'"),
            fc.oneof(scalar, longScalar(`${indent}    `)),
          ),
          { maxLength: 3 },
        )
        .map((items) => `annotations:\n${items.map(([name, text]) => `${indent}  ${name}: ${text}`).join("\n")}`),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.constantFrom("", "  "), fc.array(fc.tuple(scalar, scalar), { minLength: 1, maxLength: 2 }))
        .map(
          ([more, items]) =>
            `dependencies:\n${items.map(([a, b]) => `${indent}${more}- name: ${a}\n${indent}${more}  repository: ${b}`).join("\n")}`,
        ),
    },
    fc.constantFrom(
      "# comment",
      "",
      "bogus: 1",
      "name: again",
      "version: 2.0.0",
      "deprecated: true",
      "<<: {home: x}",
      "\tx: y",
    ),
  );

/** One version as an item of a list at this indentation, without a newline at its end. */
export const itemText = (indent: string): fc.Arbitrary<string> =>
  fc
    .array(fieldAt(`${indent}  `), { maxLength: 5 })
    .map((fields) =>
      [`${indent}- name: app`, ...["version: 1.0.0", ...fields].map((field) => `${indent}  ${field}`)].join("\n"),
    );

/** A whole index. */
export const indexText: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom("", "---\n", "# made by hand\n"),
    fc.array(
      fc.tuple(
        fc.constantFrom("app:", "other:", '"app":', "a.b: # c", "5:", "x: []", "y: null"),
        fc.constantFrom("  ", "    "),
        fc.array(fc.constantFrom("  ", "    ").chain(itemText), { maxLength: 3 }),
      ),
      { maxLength: 3 },
    ),
    fc.array(
      fc.constantFrom(
        "generated: 2024-01-01T00:00:00Z",
        "serverInfo:\n  contextPath: /x\n  a: [1, 2.5]",
        "publicKeys:\n- k",
        "---\nx: y",
        "bogus: x",
      ),
      { maxLength: 2 },
    ),
    fc.constantFrom("\n", "\n", "\n", "\r\n"),
  )
  .map(([start, charts, end, newline]) =>
    [
      `${start}apiVersion: v1`,
      "entries:",
      ...charts.flatMap(([name, indent, versions]) => [`${indent}${name}`, ...versions]),
      ...end,
      "",
    ]
      .join("\n")
      .replaceAll("\n", newline),
  );
