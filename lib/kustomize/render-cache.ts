/** Rendered text by the digest of what it was rendered from, in memory, bounded by size: the least recently used goes first. */
const rendered = new Map<string, string>();
const underWay = new Map<string, Promise<string>>();
const limit = 32 * 1024 * 1024;
let size = 0;

/**
 * The text for a digest, rendered at most once at a time in this process. A render that fails is not kept, and who waited for it
 * renders anew: it may have failed because another caller's time was over.
 */
export async function renderOnce(digest: string, render: () => Promise<string>): Promise<string> {
  const known = rendered.get(digest);
  if (known !== undefined) {
    rendered.delete(digest);
    rendered.set(digest, known);
    return known;
  }
  const other = await underWay.get(digest)?.catch(() => undefined);
  if (other !== undefined) return other;
  const own = render();
  underWay.set(digest, own);
  try {
    const text = await own;
    keep(digest, text);
    return text;
  } finally {
    if (underWay.get(digest) === own) underWay.delete(digest);
  }
}

function keep(digest: string, text: string): void {
  if (rendered.has(digest) || text.length > limit / 4) return;
  rendered.set(digest, text);
  size += text.length;
  for (const [oldest, content] of rendered) {
    if (size <= limit) break;
    rendered.delete(oldest);
    size -= content.length;
  }
}
