/**
 * Reads the body of a request, `limit` bytes at most; undefined where it is longer. What is longer is not read to its end, and a
 * length that is announced is believed when it is too much.
 */
export async function readBody(request: Request, limit: number): Promise<Uint8Array | undefined> {
  if (Number(request.headers.get("content-length") ?? 0) > limit) return undefined;
  if (request.body === null) return new Uint8Array(0);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body) {
    length += chunk.byteLength;
    if (length > limit) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * Parses JSON whose objects and lists are nested at most `depth` times; undefined for anything else. The depth is counted
 * before anything is parsed, so that no input can exhaust the stack.
 */
export function parseJson(body: Uint8Array, depth: number): unknown {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8");
  if (isDeeper(text, depth)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isDeeper(text: string, depth: number): boolean {
  let open = 0;
  let quoted = false;
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (quoted) {
      if (character === "\\") index++;
      else if (character === '"') quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === "{" || character === "[") {
      if (++open > depth) return true;
    } else if (character === "}" || character === "]") open--;
  }
  return false;
}
