const units = ["B", "kB", "MB", "GB", "TB", "PB"];

/** Bytes with a decimal unit and four digits at most, as Docker's `units.HumanSize` writes them: `72.59MB` (HR-012). */
export function humanSize(bytes: number): string {
  let size = bytes;
  let unit = 0;
  for (; size >= 1000 && unit < units.length - 1; unit++) size /= 1000;
  return `${Number(size.toPrecision(4))}${units[unit]}`;
}
