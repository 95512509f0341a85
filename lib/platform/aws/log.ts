import { Logger as Powertools } from "@aws-lambda-powertools/logger";
import type { Logger } from "../ports.ts";

/** JSON lines for CloudWatch, at the level that POWERTOOLS_LOG_LEVEL names (default INFO). */
export function createLogger(): Logger {
  return loggerOver(new Powertools({ serviceName: "sluice" }));
}

/** Powertools keeps these to itself: a field of that name would be dropped, with a warning in its place. */
const reserved = new Set(["level", "message", "sampling_rate", "service", "timestamp"]);

function loggerOver(lines: Powertools): Logger {
  return {
    debug: (message, fields = {}) => lines.debug(message, named(fields)),
    info: (message, fields = {}) => lines.info(message, named(fields)),
    warn: (message, fields = {}) => lines.warn(message, named(fields)),
    error: (message, fields = {}) => lines.error(message, named(fields)),
    child: (fields) => loggerOver(lines.createChild({ persistentKeys: named(fields) })),
  };
}

function named(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [reserved.has(key) ? `${key}_` : key, value]));
}
