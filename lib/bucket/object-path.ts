/** A key as a path below the root, however it tries to leave it (BKT-008). */
export function confinedKey(key: string): string {
  const path: string[] = [];
  for (const part of key.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") path.pop();
    else path.push(part);
  }
  return path.join("/");
}
