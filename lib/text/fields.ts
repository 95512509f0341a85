/** Whether a value, as JSON or YAML gives it, is an object with fields: neither nothing nor a list. */
export function isFields(value: unknown): value is { [field: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
