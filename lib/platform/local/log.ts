import type { Logger } from "../ports.ts";

type Level = "debug" | "info" | "warn" | "error";

const weights: Record<Level, number> = { debug: 0, info: 1, warn: 2, error: 3 };

/**
 * Logs lines to `write`: as JSON, one object a line with `time`, `level` and `message` (the form of Lambda's own JSON logs), or
 * pretty, for a reader at a terminal. Lines below `level` (info where it is not given) are dropped.
 */
export function createLocalLogger(options: {
  format: "json" | "pretty";
  level?: Level;
  write: (line: string) => void;
}): Logger {
  const least = weights[options.level ?? "info"];
  const format = options.format === "json" ? jsonLine : prettyLine;
  const withFields = (fixed: Record<string, unknown>): Logger => {
    const at = (level: Level) => (message: string, fields?: Record<string, unknown>) => {
      if (weights[level] >= least) options.write(format(new Date(), level, message, { ...fixed, ...fields }));
    };
    return {
      debug: at("debug"),
      info: at("info"),
      warn: at("warn"),
      error: at("error"),
      child: (fields) => withFields({ ...fixed, ...fields }),
    };
  };
  return withFields({});
}

function jsonLine(time: Date, level: Level, message: string, fields: Record<string, unknown>): string {
  return JSON.stringify({ time: time.toISOString(), level, message, ...fields }, (_key, value: unknown) =>
    plain(value),
  );
}

function prettyLine(time: Date, level: Level, message: string, fields: Record<string, unknown>): string {
  const { kind, namespace, name, cluster: _cluster, ...rest } = fields;
  const object = typeof name === "string" ? ` ${[kind, namespace, name].filter(Boolean).join("/")}` : "";
  const details = Object.entries(rest)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}=${shown(plain(value))}`)
    .join("");
  return `${time.toISOString().slice(11, 23)} ${level === "info" ? "" : `${level} `}${oneLine(message)}${object}${details}`;
}

function plain(value: unknown): unknown {
  if (value instanceof Error) return value.message;
  return typeof value === "bigint" ? String(value) : value;
}

function shown(value: unknown): string {
  return oneLine(typeof value === "string" ? value : (JSON.stringify(value) ?? String(value)));
}

/** What others wrote must not look like a line of its own, nor steer the terminal. */
function oneLine(text: string): string {
  return [...text].map((character) => (character < " " || character === "\u007f" ? " " : character)).join("");
}
