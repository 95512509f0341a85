import { Logger as Powertools } from "@aws-lambda-powertools/logger";
import type { Logger } from "../ports.ts";

/** JSON lines for CloudWatch, at the level that POWERTOOLS_LOG_LEVEL names (default INFO). */
export function createLogger(): Logger {
  return loggerOver(new Powertools({ serviceName: "sluice" }));
}

function loggerOver(lines: Powertools): Logger {
  return {
    debug: (message, fields = {}) => lines.debug(message, fields),
    info: (message, fields = {}) => lines.info(message, fields),
    warn: (message, fields = {}) => lines.warn(message, fields),
    error: (message, fields = {}) => lines.error(message, fields),
    child: (fields) => loggerOver(lines.createChild({ persistentKeys: fields })),
  };
}
