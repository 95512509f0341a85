/** Compares as Go sorts keys: by the bytes of UTF-8, which is the order of code points. */
export function byBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const [left, right] = [a.charCodeAt(index), b.charCodeAt(index)];
    if (left === right) continue;
    // The halves of what is beyond 16 bits come after everything else within them.
    const [high, other] = [left >= 0xd800 && left < 0xe000, right >= 0xd800 && right < 0xe000];
    return high === other ? left - right : high ? 1 : -1;
  }
  return a.length - b.length;
}
